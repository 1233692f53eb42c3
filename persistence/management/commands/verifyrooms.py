"""`manage.py verifyrooms [room ...]`."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from persistence import holes, orphans, verifying
from persistence.readiness import NotReady, require_tables
from persistence.verifying import UnknownRoom, Verified
from rooms import names
from rooms.backend import Backend
from rooms.conf import conf
from rooms.errors import NoSuchRoom, YRedisError
from rooms.models import Room

LINE = "{:<32} {:>8} {:>12} {:>8}  {}"


class Command(BaseCommand):
    help = "Recompute rooms from Redis and the store; check hashes, chains, fences and orphaned files."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("room", nargs="*", help="only these rooms, and no orphaned files (default: all)")
        parser.add_argument(
            "--accept-holes",
            action="store_true",
            help="let rooms go on without what was trimmed and is not in the store, which is older than Redis",
        )

    def handle(self, *, room: list[str], accept_holes: bool, **options: Any) -> None:
        self.failing = list[str]()
        try:
            require_tables()
            findings = asyncio.run(self.verify(list(map(canonical, room)), accept_holes=accept_holes))
        except UnknownRoom as error:
            raise CommandError(f"There is no room {str(error)!r}.") from error
        except NotReady as error:
            raise CommandError(str(error)) from error
        except YRedisError as error:
            raise CommandError(f"Could not verify: {error}") from error
        if findings:
            raise CommandError(f"{findings} {'finding' if findings == 1 else 'findings'}")
        waiting = f"Nothing is lost. These can't be persisted now, see their last error: {', '.join(self.failing)}"
        self.stdout.write(waiting if self.failing else "All is well.")

    async def verify(self, rooms: list[str], *, accept_holes: bool) -> int:
        """Print a line for each room, and under it what is wrong; return how many findings there are."""
        backend = await Backend.open()
        try:
            found = 0
            self.stdout.write(LINE.format("room", "segments", "bytes", "entries", "state"))
            async for room in chosen(backend, rooms):
                result = await verifying.verify(backend, room)
                if accept_holes and (covered := await holes.accept(backend, room)) is not None:
                    self.stdout.write(f"{room} goes on without what came after {covered} and was trimmed:")
                    result = await verifying.verify(backend, room)
                self.show(result)
                found += len(result.findings)
            return found if rooms else found + await self.orphans()
        finally:
            await backend.aclose()

    def show(self, result: Verified) -> None:
        """Print a room's lines."""
        numbers = (result.segments, result.size_bytes, result.stream_entries)
        is_new = not result.segments and result.state in ("", Room.State.OK)
        self.stdout.write(LINE.format(result.room, *numbers, "not persisted" if is_new else result.state))
        self.failing += [result.room] if result.state == Room.State.FAILING else []
        for finding in result.findings:
            self.stdout.write(self.style.ERROR(f"  {finding}"))

    async def orphans(self) -> int:
        """Print files that belong to no segment; return how many there are."""
        found = 0
        async for location in orphans.found(conf().orphan_grace_seconds):
            self.stdout.write(self.style.ERROR(f"orphaned file: {location}"))
            found += 1
        return found


def canonical(room: str) -> str:
    """Return a room's name in its canonical form; raise UnknownRoom if it can't name one."""
    try:
        return names.canonical(room)
    except NoSuchRoom as error:
        raise UnknownRoom(room) from error


async def chosen(backend: Backend, rooms: list[str]) -> AsyncIterator[str]:
    """Yield the rooms that were named, or else all."""
    for room in rooms:
        yield room
    if not rooms:
        async for room in verifying.all_rooms(backend):
            yield room
