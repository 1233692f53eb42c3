"""The auditor's command line: prints counts and findings; exits 1 on a finding, 2 on a bad argument."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import django
import redis
from django.utils.module_loading import import_string

from rooms.errors import YRedisError
from rooms.store import Store
from tests.auditor.checks import audit
from tests.auditor.evidence import Evidence, Sources, canonical, gather


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with an argument."""

    def error(self, message: str) -> NoReturn:
        """Print the line and exit 2."""
        print(f"auditor: {message}", file=sys.stderr)
        raise SystemExit(2)


def folder(text: str) -> Path:
    """Return an existing folder's path."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return Path(text)


def a_store(dotted: str) -> Store:
    """Return the store at a dotted path."""
    try:
        made: Store = import_string(dotted)()
    except ImportError as error:
        raise argparse.ArgumentTypeError(f"{dotted} can't be imported: {error}") from error
    return made


def a_room(text: str) -> str:
    """Return a room's canonical name."""
    try:
        return canonical(text)
    except YRedisError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


def parser() -> Parser:
    """Return the command line's parser."""
    made = Parser(prog="python -m tests.auditor", description="Judge a run: see tests/auditor/__init__.py.")
    made.add_argument("--redis", required=True, metavar="URL")
    made.add_argument("--rooms", nargs="*", type=a_room, default=[], help="default: all that are found")
    made.add_argument("--accept-log", type=folder, metavar="DIR", help="YREDIS_ACCEPT_LOG of the servers")
    made.add_argument("--journals", type=folder, metavar="DIR", help="journals and reports of the clients")
    made.add_argument("--store", type=a_store, metavar="DOTTED", help="store that the servers use")
    made.add_argument("--prefix", default="yredis")
    made.add_argument("--shards", type=int, default=16)
    made.add_argument("--running", action="store_true", help="the run goes on: clients need not agree yet")
    made.add_argument("--seed", default="", help="printed with the counts, so that the run can be repeated")
    return made


def counts(found: dict[str, Evidence]) -> str:
    """Return how much was looked at, in one line."""
    rooms = found.values()
    numbers = {
        "rooms": len(found),
        "accepted": sum(len(room.accepted) for room in rooms),
        "journals": sum(len(room.journals) for room in rooms),
        "journaled": sum(len(updates) for room in rooms for updates in room.journals.values()),
        "clients compared": sum(final.connected or final.fresh for room in rooms for final in room.finals),
        "stream entries": sum(len(room.entries) for room in rooms),
        "stored updates": sum(len(room.stored) for room in rooms),
    }
    return ", ".join(f"{number} {name}" for name, number in numbers.items())


def main(arguments: Sequence[str]) -> int:
    """Run the auditor and return its exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "yredis_project.settings")
    django.setup()
    asked = parser().parse_args(arguments)
    sources = Sources(
        asked.redis, asked.rooms, asked.accept_log, asked.journals, asked.prefix, asked.shards, asked.store
    )
    try:
        found = asyncio.run(gather(sources))
    except (redis.RedisError, ValueError) as error:
        print(f"auditor: {asked.redis}: {error}", file=sys.stderr)
        return 2
    findings = audit(found, running=asked.running)
    for finding in findings:
        print(finding)
    print(f"auditor: {counts(found)}{f', seed {asked.seed}' if asked.seed else ''}: {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
