"""Virtual Desktop Controller: pools, entitlements, sessions, scheduling; REST API, portal, console."""
