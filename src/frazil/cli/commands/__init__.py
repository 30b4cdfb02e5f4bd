"""One file a noun; each verb is a function."""
