"""What must be true before a worker starts; each reason why not is one line."""

from collections.abc import Iterator
from itertools import chain

from django.core.checks import run_checks
from django.db import DatabaseError, connections, router
from django.db.migrations.executor import MigrationExecutor

from rooms.models import Room
from rooms.store import store

LABELS = {"yredis_rooms", "yredis_persistence"}
"""Apps whose tables a worker writes."""


class NotReady(Exception):
    """Why a worker or a command can't start: one line for the operator."""


def require() -> None:
    """Raise NotReady unless settings, store and tables are as a worker needs them. Redis it asks when it connects."""
    for reason in chain(_wrong_settings(), _wrong_store(), _wrong_tables()):  # each only if those before are right
        raise NotReady(reason)


def require_tables() -> None:
    """Raise NotReady unless the tables are as this release needs them."""
    for reason in _wrong_tables():
        raise NotReady(reason)


def _wrong_settings() -> Iterator[str]:
    found = [message for message in run_checks() if message.is_serious() and not message.is_silenced()]
    if found:
        more = f" (and {len(found) - 1} more: see manage.py check)" if len(found) > 1 else ""
        yield f"{found[0].id}: {found[0].msg}{more}"


def _wrong_store() -> Iterator[str]:
    chosen = store()
    name = type(chosen).__qualname__
    if not callable(getattr(chosen, "keep", None)):
        yield f"YREDIS: STORE: {name} only reads, there is nowhere to persist to; see docs/persistence.md"
    elif reason := getattr(chosen, "unshared", lambda: None)():
        yield f"YREDIS: STORE: other processes could not read what {name} holds: {reason}"


def _wrong_tables() -> Iterator[str]:
    connection = connections[router.db_for_write(Room)]
    try:
        executor = MigrationExecutor(connection)
        targets = [node for node in executor.loader.graph.leaf_nodes() if node[0] in LABELS]
        pending = executor.migration_plan(targets)
    except DatabaseError as error:
        reason = next(iter(str(error).splitlines()), "")
        yield f"the database does not answer: {type(error).__name__}: {reason}"
        return
    finally:
        connection.close()
    if pending:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in pending[:3])
        yield f"{len(pending)} migrations are pending ({names}...): run manage.py migrate"
