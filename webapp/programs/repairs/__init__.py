"""Vehicle repairs charged to drivers by the week, and the weekly receipt that nets them against earnings."""
