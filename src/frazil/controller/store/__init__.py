"""What must survive a restart: SQL tables, their migrations, and one module of queries a table.

Only this package knows SQL. Its query modules take the connection of a transaction and return the values of
`store.rows`; `Store` runs them in threads.
"""

from frazil.controller.store.signal import Signal
from frazil.controller.store.store import Store

__all__ = ["Signal", "Store"]
