"""Whose a file is: each database has a folder of its own, also where several share a storage and a prefix.

A file without a row looks the same whether nobody needs it or a row of another database points to it. So a database
removes only what is in its own folder. A copy of a database (staging, from a dump) is another one although it holds
the same rows: what names a database is kept beside what only the original has, as far as that can be known.
"""

from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from persistence.models import Owner
from persistence.transactions import rows

CLUSTER = """
    SELECT system_identifier, (SELECT oid FROM pg_database WHERE datname = current_database())
    FROM pg_control_system()
"""


def name() -> str:
    """Return what the files of this database are known by; a database that has no name is given one."""
    if found := known():
        return found
    rows(Owner).bulk_create([Owner(fingerprint=_fingerprint(), name=uuid4().hex)], ignore_conflicts=True)
    return known()


def known() -> str:
    """Return the name of this database, or "" if it has none so far: then it has no files either."""
    owner = rows(Owner).filter(fingerprint=_fingerprint()).first()
    return owner.name if owner else ""


def _fingerprint() -> str:
    """Return what a copy of this database has not in common with it."""
    return _described(connections[rows(Owner).db])


def _described(connection: BaseDatabaseWrapper) -> str:
    """Return where a database is, and what only its server knows, as a hash."""
    settings = connection.settings_dict
    where = [connection.vendor, *(str(settings.get(key) or "") for key in ("NAME", "HOST", "PORT"))]
    known = {"postgresql": _cluster, "sqlite": _file}.get(connection.vendor)
    return sha256("\0".join([*where, *(known(connection) if known else ())]).encode()).hexdigest()


def _cluster(connection: BaseDatabaseWrapper) -> list[str]:
    """Return what a PostgreSQL that is made anew has anew, as before a dump is restored into it."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(CLUSTER)
            return [str(value) for value in cursor.fetchone()]
    except DatabaseError:  # a server that does not tell everybody
        return []


def _file(connection: BaseDatabaseWrapper) -> list[str]:
    """Return what a copy of a file has anew, even under the same path on another machine."""
    path = Path(connection.settings_dict["NAME"])
    return [str(path.resolve()), str(path.stat().st_ino)] if path.exists() else []
