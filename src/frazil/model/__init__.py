"""Values and lifecycles. Pure: no I/O, no clock, no randomness."""
