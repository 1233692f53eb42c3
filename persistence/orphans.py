"""Files without a row, wherever this site keeps files or kept them: what was moved from there may have left some."""

from collections.abc import AsyncIterator

from django.core.files.storage import InvalidStorageError

from persistence.stores.files import FileStore
from persistence.stores.port import SegmentStore
from rooms import pool
from rooms.store import store


def stores(*more: SegmentStore) -> list[SegmentStore]:
    """Return the site's store, that for files and others, one of each kind."""
    found = {type(one): one for one in (store(), *more) if isinstance(one, SegmentStore)}
    if not any(issubclass(kind, FileStore) for kind in found) and _has_storage():
        found[FileStore] = FileStore()
    return list(found.values())


def _has_storage() -> bool:
    try:
        _ = FileStore().storage
    except InvalidStorageError:
        return False
    return True


async def found(older_than_seconds: float) -> AsyncIterator[str]:
    """Yield the files that belong to no segment and were written so long ago; raise StoreUnavailable."""
    for each in stores():
        for folder in await pool.run(each.folders):
            for location in await pool.run(each.orphans, folder, older_than_seconds):
                yield location


async def sweep(older_than_seconds: float, *more: SegmentStore) -> int:
    """Remove them, also those of other stores; return how many there were.

    Raises:
        StoreUnavailable: no answer; some may be removed.
    """
    return sum([await each.sweep_orphans(older_than_seconds) for each in stores(*more)])
