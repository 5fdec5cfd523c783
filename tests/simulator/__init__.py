"""The simulated providers, and our own clients against them."""
