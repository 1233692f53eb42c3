"""System checks of what is persisted where."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, InvalidStorageError
from django.db import connections, router
from django.utils.module_loading import import_string

from persistence.stores.files import FileStore
from persistence.stores.port import SegmentStore
from rooms.checks import OURS
from rooms.conf import conf
from rooms.models import Room

PAGE = "See docs/persistence.md."
DEFAULT_ALIAS = "default"
TRANSACTION_MODES = ("IMMEDIATE", "EXCLUSIVE")
"""In which SQLite's busy timeout counts: a deferred transaction that begins to write fails at once."""


@register(Tags.files, OURS)
def check_store(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Report a store that can't work, or not safely.

    yredis.E101: STORE is a FileStore, and its STORAGE can't be had from settings.STORAGES.
    yredis.E102: other processes can't read what STORE holds.
    yredis.E103: files may be taken for orphans while a worker still has its lease.
    yredis.W101: the storage is the one for uploads, which most sites serve to everybody.
    yredis.W103: SQLite without the options that several processes need.
    """
    try:
        chosen = import_string(conf().store)
    except Exception:  # whatever the site's module does when it is imported
        return []  # rooms.checks tells
    if not (isinstance(chosen, type) and issubclass(chosen, SegmentStore)):
        return []
    store = chosen()
    found = list(wrong_storage(store)) if isinstance(store, FileStore) else []
    if not any(message.is_serious() for message in found):
        found += _unshared(store)
    return [*found, *_durations(), *_sqlite()]


def wrong_storage(store: FileStore) -> Iterator[CheckMessage]:
    """Yield what is wrong with where a FileStore would write."""
    try:
        storage = store.storage
    except (InvalidStorageError, ImportError, ImproperlyConfigured) as error:
        yield Error(f"YREDIS: STORAGE: {error}", hint=PAGE, id="yredis.E101")
        return
    public = isinstance(storage, FileSystemStorage) and storage.location == FileSystemStorage().location
    if store.alias == DEFAULT_ALIAS or (public and settings.MEDIA_ROOT):
        text = f"YREDIS: STORAGE {store.alias!r} holds uploads, which most sites serve: documents would be public."
        yield CheckWarning(text, hint="Give documents a storage of their own in STORAGES.", id="yredis.W101")


def _unshared(store: SegmentStore) -> Iterator[CheckMessage]:
    if reason := store.unshared():
        text = f"YREDIS: STORE: other processes can't read what {type(store).__name__} holds: {reason}"
        yield Error(text, hint=PAGE, id="yredis.E102")


def _sqlite() -> Iterator[CheckMessage]:
    database = connections[router.db_for_write(Room)]
    if database.vendor != "sqlite" or database.settings_dict["OPTIONS"].get("transaction_mode") in TRANSACTION_MODES:
        return
    text = "YREDIS: SQLite is locked again and again when a server and workers write: its OPTIONS lack transaction_mode"
    yield CheckWarning(text, hint=f'Set "transaction_mode": "IMMEDIATE". {PAGE}', id="yredis.W103")


def _durations() -> Iterator[CheckMessage]:
    if conf().orphan_grace_seconds < 4 * conf().lease_seconds:
        text = "YREDIS: ORPHAN_GRACE_SECONDS must be at least four times LEASE_SECONDS"
        yield Error(text, hint=PAGE, id="yredis.E103")
