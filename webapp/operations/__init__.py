"""Running an installation: is it ready, what does it do, its keys and its back-ups."""
