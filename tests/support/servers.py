"""ASGI servers that a test starts: daphne or uvicorn processes of the demo site, each on a port of its own."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from tests.support.processes import Process, free_port
from yredis_project.servers import ASGI_COMMANDS

Asgi = Literal["daphne", "uvicorn"]

ROOT = Path(__file__).resolve().parent.parent.parent


def environment(folder: Path, redis_url: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a test's servers: nothing of the developer's own YREDIS_ settings reaches them."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("YREDIS_")}
    return {
        **ours,
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "yredis_project.settings",
        "DATA_DIR": str(folder / "data"),
        "SECRET_KEY": "of no worth, a test's",
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "LOG_LEVEL": "INFO",
        "YREDIS_REDIS_URL": redis_url,
        "YREDIS_AUTHORIZE": "tests.support.access.by_name",
        "YREDIS_ACCEPT_LOG": str(folder / "accepted"),
        **given,
    }


class Server(Process):
    """One server process; start() after kill() comes back on the same port."""

    def __init__(self, asgi: Asgi, folder: Path, *, name: str, env: Mapping[str, str]) -> None:
        port = free_port()
        super().__init__(ASGI_COMMANDS[asgi](port), log=folder / f"{name}.log", port=port, env=env)

    @property
    def url(self) -> str:
        """What y-websocket is given: the room comes behind it."""
        return f"ws://127.0.0.1:{self.port}/ws"
