"""Surfaces, and all that the display channel draws on them."""
