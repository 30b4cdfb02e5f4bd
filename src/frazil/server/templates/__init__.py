"""Frozen templates: a desktop booted once and stopped in memory, from which others are forked."""
