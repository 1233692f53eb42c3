"""Persistence for the site's own code: do now, in this process, what a worker would do sooner or later.

`await persist("essay")` and `await compact("essay")` in async code; each has a twin that ends in `_sync`.
"""

from persistence.ondemand import RoomBusy, Sizes, compact, compact_sync, persist, persist_sync

__all__ = ["RoomBusy", "Sizes", "compact", "compact_sync", "persist", "persist_sync"]
