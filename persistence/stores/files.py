"""Segments with their bytes in a Django storage: a folder, or S3 through django-storages."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from urllib.parse import quote
from uuid import uuid4

from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, Storage, storages
from django.db.models import QuerySet
from django.utils import timezone

from persistence.models import Segment
from persistence.stores import owner
from persistence.stores.place import Place
from persistence.stores.port import SegmentStore
from persistence.transactions import rows
from rooms.conf import conf


class FileStore(SegmentStore):
    """Keeps bytes in the storage that YREDIS["STORAGE"] names, each segment in a file of its own."""

    @property
    def alias(self) -> str:
        """Name of the storage in settings.STORAGES."""
        return conf().storage

    @property
    def storage(self) -> Storage:
        """The storage; raises InvalidStorageError where settings.STORAGES has none of that name."""
        return storages[self.alias]

    @property
    def root(self) -> str:
        """Folder of all files of this database, within the storage. Before there were owners they were one above."""
        return f"yredis/{quote(conf().prefix, safe='')}/{owner.name()}"

    def keep(self, room: str, data: bytes) -> Place:
        """Write a file with a new name; on a file system it survives a power cut from here on.

        Files are spread over 256 folders, so that none is too long to be listed.
        """
        name = uuid4().hex
        location = self.storage.save(f"{self.root}/{name[:2]}/{name}.segment", ContentFile(data))
        _sync(self.storage, location)
        return Place(storage=self.alias, location=location)

    def elsewhere(self) -> QuerySet[Segment]:
        """Return the segments that are in the database, or in another storage."""
        return rows(Segment).exclude(storage=self.alias)

    def unshared(self) -> str:
        """Return why other processes could not read it."""
        if isinstance(self.storage, InMemoryStorage):
            return f"the storage {self.alias!r} is in memory"
        return super().unshared()

    def folders(self) -> Sequence[str]:
        """Return the folders that have files of this database: a row of another may point to any other file."""
        if not owner.known():
            return ()
        root = self.root
        try:
            return [f"{root}/{name}" for name in self.storage.listdir(root)[0]]
        except FileNotFoundError:  # nothing was ever kept there
            return ()

    def orphans(self, folder: str, older_than_seconds: float) -> list[str]:
        """Return old files without a row. They are listed before the rows are: what commits meanwhile has its row.

        Rows count whatever storage they name: several aliases may be the same place.
        """
        locations = [f"{folder}/{name}" for name in self.storage.listdir(folder)[1]]
        ours = rows(Segment).filter(location__startswith=f"{folder}/")
        rowless = sorted(set(locations) - set(ours.values_list("location", flat=True)))
        oldest = timezone.now() - timedelta(seconds=older_than_seconds)
        return [location for location in rowless if self._written_before(location, oldest)]

    def _written_before(self, location: str, moment: datetime) -> bool:
        try:
            return bool(self.storage.get_modified_time(location) < moment)
        except Exception:  # removed meanwhile, for which S3 has an error of its own
            if self.storage.exists(location):
                raise
            return False

    def remove(self, locations: Iterable[str]) -> int:
        """Remove files; return how many."""
        removed = 0
        for location in locations:
            self.storage.delete(location)
            removed += 1
        return removed


def _sync(storage: Storage, location: str) -> None:
    """Let a file and its name reach the disk, in a storage that is on one."""
    try:
        path = Path(storage.path(location))
    except NotImplementedError:
        return
    _fsync(path)
    _fsync(path.parent)
    depth = len(PurePosixPath(location).parts)  # up to the storage's own folder, which may be new too
    for folder in path.parents[:depth]:
        if folder not in _named:  # whoever has made it: perhaps another process, a moment ago
            with suppress(PermissionError):
                _fsync(folder.parent)
            _named.add(folder)


_named: set[Path] = set()
"""Folders whose names have reached the disk: for each storage, as many as it has."""


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
