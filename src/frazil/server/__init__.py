"""Virtual Desktop Server: one on each host; drives libvirt."""
