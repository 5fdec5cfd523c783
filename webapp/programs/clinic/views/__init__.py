"""The pages of a clinic."""
