"""Frazil: open virtual desktop infrastructure on KVM, libvirt and SPICE."""

__version__ = "0.1.0"
