"""manage.py quarantine list|replay|discard [room] [--id N]."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

from persistence.models import Quarantined
from persistence.quarantine import discard, quarantined, replay
from persistence.readiness import NotReady, require_tables
from rooms.errors import NoSuchRoom, YRedisError
from rooms.models import Room
from rooms.moments import moment

COLUMNS = ("id", "room", "entry", "bytes", "user", "connection", "since", "reason")


class Command(BaseCommand):
    """Shows what could not be persisted because no client could be served it, and what to do with it."""

    help = "List, replay or discard entries that could not be decoded."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to do, and with which entries."""
        parser.add_argument("action", choices=["list", "replay", "discard"])
        parser.add_argument("room", nargs="?", default="", help="only entries of this room")
        parser.add_argument("--id", type=int, dest="number", help="only the entry with this number")

    def handle(self, *, action: str, room: str, number: int | None, **options: Any) -> None:
        """Do it, and tell each entry on a line of its own."""
        try:
            require_tables()
            self.act(action, room, number)
        except NotReady as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            reason = next(iter(str(error).splitlines()), "")
            raise CommandError(f"The database does not answer: {type(error).__name__}: {reason}") from error

    def act(self, action: str, room: str, number: int | None) -> None:
        """List, replay or discard."""
        try:
            rows = list(quarantined(room, number))
        except (Room.DoesNotExist, NoSuchRoom) as error:
            raise CommandError(f"There is no room {room!r}.") from error
        except Quarantined.DoesNotExist as error:
            where = f" of room {room!r}" if room else ""
            raise CommandError(f"There is no entry {number}{where} in quarantine.") from error
        if action == "list":
            self.show(rows)
        elif not room and number is None:
            raise CommandError(f"Say what to {action}: a room, or an --id.")
        elif action == "discard":
            self.discard(rows)
        else:
            self.replay(rows)

    def show(self, rows: list[Quarantined]) -> None:
        """Print a table, if there is anything to show."""
        lines = [COLUMNS, *map(described, rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines if rows else ():
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        self.stdout.write(f"{len(rows)} in quarantine")

    def discard(self, rows: list[Quarantined]) -> None:
        """Forget them."""
        for row in rows:
            number = row.pk
            discard(row)
            self.stdout.write(f"Discarded {number}, entry {row.entry_id} of room {row.room.name}")

    def replay(self, rows: list[Quarantined]) -> None:
        """Append them again; fail if one of them still can't be."""
        refused = 0
        for row in rows:
            number = row.pk
            try:
                reason = replay(row)
            except YRedisError as error:
                raise CommandError(f"Could not replay {number}: {error}") from error
            refused += bool(reason)
            what = f"Replayed {number}" if not reason else f"Kept {number}, which is still poison ({reason})"
            self.stdout.write(f"{what}: entry {row.entry_id} of room {row.room.name}")
        if refused:
            raise CommandError(f"{refused} of {len(rows)} stay in quarantine.")


def described(row: Quarantined) -> tuple[str, ...]:
    """Return the cells of an entry's line."""
    since = moment(row.created_at, "Y-m-d H:i:s")
    who = (row.user_id or "-", row.connection_id or "-")
    return (str(row.pk), row.room.name, row.entry_id, str(len(row.data)), *who, since, row.reason)
