"""Changes of payment details: asked for by one person, verified by another, paid to after the cool-off."""
