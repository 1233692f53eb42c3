"""`manage.py movestore --to database|files|<dotted path>`."""

import asyncio
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from persistence import moving, orphans
from persistence.moving import Moved, NoSuchStore
from persistence.readiness import NotReady, require_tables
from persistence.stores.port import SegmentStore
from rooms import pool
from rooms.conf import conf
from rooms.errors import YRedisError

BAR = 40
EVERY_SECONDS = 5.0
"""Between two lines where no bar can be drawn."""


class Command(BaseCommand):
    help = "Copy all segments into another store and forget them in the old one, while the site runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", required=True, metavar="STORE", help='"database", "files", or a dotted path')
        parser.add_argument("--dry-run", action="store_true", help="only tell what would be moved")

    def handle(self, *, to: str, dry_run: bool, **options: Any) -> None:
        self._told_at = 0.0
        try:
            require_tables()
            store = moving.store_named(to)
            asyncio.run(self.tell(store) if dry_run else self.move(store))
        except NoSuchStore as error:
            raise CommandError(f"--to {to}: {error}") from error
        except NotReady as error:
            raise CommandError(str(error)) from error
        except YRedisError as error:
            raise CommandError(f"Stopped, and can be run again: {error}") from error
        if not dry_run and conf().store != moving.path_of(to):
            self.stdout.write(
                f'Set YREDIS["STORE"] = "{moving.path_of(to)}", restart servers and workers, and run this once more '
                "for what they have written meanwhile."
            )

    async def tell(self, store: SegmentStore) -> None:
        """Print what there is to be moved."""
        rooms, segments, size = await pool.run(moving.outstanding, store)
        self.stdout.write(f"{segments} segments of {rooms} rooms would be moved, {_sized(size)}.")

    async def move(self, store: SegmentStore) -> None:
        """Move, show how far it is, and read every room again."""
        _, segments, _ = await pool.run(moving.outstanding, store)
        account = Moved()
        async for account in moving.move_all(store):
            self.progress("moved", account.segments, segments)
        self.end_line()
        self.stdout.write(f"Moved {account.segments} segments, {_sized(account.size_bytes)}.")
        unreadable = await self.verify(store)
        await orphans.sweep(conf().orphan_grace_seconds, store)
        for error in (*account.errors, *unreadable):
            self.stderr.write(error)
        if errors := len(account.errors) + len(unreadable):
            raise CommandError(f"{errors} errors: see above, and run this again")

    async def verify(self, store: SegmentStore) -> list[str]:
        """Return which rooms can't be read, and why."""
        errors, rooms = list[str](), 0
        async for room, error in moving.verify_all(store):
            rooms += 1
            errors += [f"room {room}: {error}"] if error else []
            self.progress("verified", rooms, 0)
        self.end_line()
        self.stdout.write(f"Verified {rooms} rooms, {len(errors)} can't be read.")
        return errors

    def progress(self, what: str, done: int, total: int) -> None:
        """Draw a bar on a terminal; elsewhere write a line now and then."""
        if self.stdout.isatty():
            share = min(1.0, done / total) if total else 1.0
            self.stdout.write(f"\r[{'#' * round(share * BAR):<{BAR}}] {done} {what}", ending="")
            self.stdout.flush()
        elif time.monotonic() - self._told_at > EVERY_SECONDS:
            self._told_at = time.monotonic()
            self.stdout.write(f"{done} {what}" + (f" of {total}" if total else ""))

    def end_line(self) -> None:
        """Leave the line of the bar."""
        if self.stdout.isatty():
            self.stdout.write("")


def _sized(size: int) -> str:
    """Return a size for people."""
    return filesizeformat(size).replace("\xa0", " ")
