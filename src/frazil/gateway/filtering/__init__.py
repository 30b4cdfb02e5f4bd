"""A session's policy in the bytes of its links.

`LinkFilter` is the whole of it for one link; `channels` says which links there are not. Nothing here waits or does I/O.
What is enforced is enforced twice: what a side announces is rewritten, and what comes all the same is dropped, with the
accounts of both sides (ACK windows, agent tokens) kept right.
"""

from frazil.gateway.filtering.channels import refuses_channel, without_compression
from frazil.gateway.filtering.link_filter import LinkFilter, Output
from frazil.gateway.filtering.main_rules import Destination

__all__ = ["Destination", "LinkFilter", "Output", "refuses_channel", "without_compression"]
