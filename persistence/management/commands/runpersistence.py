"""`manage.py runpersistence`."""

import asyncio
import logging
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from persistence.readiness import NotReady, require
from persistence.supervisor import Options, work
from rooms.errors import LayoutMismatch, RedisUnavailable

LEVELS = {0: logging.WARNING, 2: logging.DEBUG, 3: logging.DEBUG}
"""By --verbosity; 1 leaves the level to settings.LOGGING."""

LOGGERS = ("persistence", "rooms")


def speak(verbosity: int) -> None:
    """Let the log be seen: on stderr where settings.LOGGING has no handler for it, as in a project that is new."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not logger.hasHandlers():
            handler = logging.StreamHandler()
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
        if verbosity in LEVELS:
            logger.setLevel(LEVELS[verbosity])


class Command(BaseCommand):
    help = "Move rooms from Redis into the store, until SIGTERM or Ctrl-C. Any number of these may run."
    requires_system_checks = ()  # `require` runs them, and says what is wrong in one line

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--shards", default="", help='look after these only, such as "0-3,7" (default: all)')
        parser.add_argument("--concurrency", type=int, default=2, help="transactions at a time (default: 2)")
        parser.add_argument(
            "--once",
            action="store_true",
            help="persist what is due now, tell the webhook what is due, then exit; a room that was written to within"
            " DEBOUNCE_SECONDS is not due, and orphaned files are left to workers that go on",
        )
        parser.add_argument("--health-file", type=Path, metavar="PATH", help="touched every second while all is well")
        parser.add_argument("--health-port", type=int, metavar="N", help="answers HTTP: 200 while all is well, or 503")

    def handle(self, *, verbosity: int, shards: str, concurrency: int, once: bool, **options: Any) -> None:
        speak(verbosity)
        health_file, health_port = options["health_file"], options["health_port"]
        try:
            require()
            failures = asyncio.run(work(Options(shards, concurrency, once, health_file, health_port)))
        except (NotReady, LayoutMismatch) as error:
            raise CommandError(str(error)) from error
        except RedisUnavailable as error:
            raise CommandError(f"Redis does not answer: {error}") from error
        except KeyboardInterrupt as error:  # before it listens for signals
            raise CommandError("interrupted") from error
        if failures:
            raise CommandError(f"{failures} times a room could not be persisted: see the log")
