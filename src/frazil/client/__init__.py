"""The typed HTTP client: what programs know of the controller."""

from frazil.client.client import Client, DeadlinePassed

__all__ = ["Client", "DeadlinePassed"]
