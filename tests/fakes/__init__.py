"""Stand-ins that keep the contract of the real part; `tests/contract` runs one suite on both."""
