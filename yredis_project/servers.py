"""Command lines of the servers that the demo, the tests and the benchmarks start: their options stand here only."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from rooms.conf import conf

HOST = "127.0.0.1"
APPLICATION = "yredis_project.asgi:application"
MANAGE = Path(__file__).resolve().parent.parent / "manage.py"

PING_SECONDS = 20
"""A connection that was idle for so long is pinged ..."""
PONG_SECONDS = 30
"""... and closed when no answer came for so long: a client that vanished without a word."""


def largest_message_bytes() -> int:
    """Return the ASGI servers' own limit, well above ours.

    They close with 1009, after which y-websocket connects and sends the same again, for ever; we close with 4413.
    """
    return 4 * conf().max_frame_bytes


def daphne_command(port: int, *, host: str = HOST, application: str = APPLICATION) -> list[str]:
    """Return the command that serves the site by daphne."""
    limit = str(largest_message_bytes())
    return [
        *(sys.executable, "-m", "daphne", "-b", host, "-p", str(port), "-v", "0", "--no-server-name"),
        *("--websocket-max-message-size", limit, "--websocket-max-frame-size", limit),
        *("--websocket_timeout", "-1", "--ping-interval", str(PING_SECONDS), "--ping-timeout", str(PONG_SECONDS)),
        application,
    ]


def uvicorn_command(port: int, *, host: str = HOST, application: str = APPLICATION) -> list[str]:
    """Return the command that serves the site by uvicorn, without compression: it costs more than it saves here."""
    return [
        *(sys.executable, "-m", "uvicorn", "--host", host, "--port", str(port), "--log-level", "warning"),
        *("--ws", "websockets-sansio", "--ws-max-size", str(largest_message_bytes())),
        *("--ws-per-message-deflate", "false", "--lifespan", "auto", "--timeout-graceful-shutdown", "10"),
        *("--ws-ping-interval", str(PING_SECONDS), "--ws-ping-timeout", str(PONG_SECONDS)),
        application,
    ]


ASGI_COMMANDS: Mapping[str, Callable[[int], list[str]]] = {"daphne": daphne_command, "uvicorn": uvicorn_command}
"""The ASGI servers that the demo knows, by the name of their package."""


def worker_command(*options: str) -> list[str]:
    """Return the command of a worker, which moves rooms from Redis into the store."""
    return [sys.executable, str(MANAGE), "runpersistence", *options]


def valkey_command(binary: Path | str, port: int, folder: Path) -> list[str]:
    """Return the command of a Valkey of the demo's own, whose append-only file in `folder` is synced every second."""
    return [
        *(str(binary), "--port", str(port), "--bind", HOST, "--dir", str(folder), "--save", ""),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--logfile", str(folder / "valkey.log")),
    ]
