"""See the files of this room; docs/architecture.md says what each kind of file holds."""
