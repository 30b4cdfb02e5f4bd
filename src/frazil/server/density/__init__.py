"""How densely a host is filled: what desktops really cost, how many more fit, merging of equal memory, pressure."""
