"""Certificates: Frazil's own authorities, and how its processes on several machines know each other."""
