"""Who is calling: passwords, logins, API tokens, throttling. `Identity` is what the rest of the controller sees."""

from frazil.controller.identity.identity import LOCAL_ROOT, Identity
from frazil.controller.identity.rights import Right

__all__ = ["LOCAL_ROOT", "Identity", "Right"]
