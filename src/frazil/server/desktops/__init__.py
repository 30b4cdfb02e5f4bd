"""Desktops on this host: what is kept of each on disk, and making what is wanted come true."""
