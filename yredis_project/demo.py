"""The demo: a Redis, a worker, some web server processes, and what keeps them together until Ctrl-C."""

import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from django.conf import settings
from django.core.management import call_command

from yredis_project.accounts import accounts
from yredis_project.children import Child
from yredis_project.preflight import (
    DemoError,
    answers,
    embedded_valkey,
    lock_folder,
    require_free,
    require_front_end,
    require_package,
    require_redis,
)
from yredis_project.servers import ASGI_COMMANDS, HOST, valkey_command, worker_command

START_SECONDS = 60.0
STOP_SECONDS = 10.0
STABLE_SECONDS = 5.0
"""A web server or worker that ended sooner than this after its start would only do so again."""


@dataclass(kw_only=True)
class Demo:
    """One run of the demo; `run` returns when a signal has stopped it.

    Args:
        port: of the first web server process; the others listen on the ports that follow.
        asgi: "daphne" or "uvicorn".
        redis: url of a running Redis; None for an embedded one with its data under DATA_DIR.
        say: prints a line for the person at the terminal.
    """

    port: int
    servers: int
    asgi: str
    redis: str | None
    say: Callable[[str], None]
    stopping: bool = False

    def run(self) -> None:
        """Start everything, keep it running, and stop it in order: web servers first, then the worker, then Redis.

        Raises:
            DemoError: something is missing, or ended on its own; by then nothing is left running.
        """
        self.check()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.stop)
        call_command("migrate", interactive=False, verbosity=0)
        with ExitStack() as running:
            redis, url = self.start_redis(running)
            worker = self.start_worker(running, url)
            web = self.start_web(running, url)
            if not self.stopping:
                self.announce(url)
            while not self.stopping:
                self.watch(redis, [*web, worker])
                time.sleep(0.2)

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Note that a signal asked to stop; the loops see it within 0.2 s."""
        self.stopping = True

    def check(self) -> None:
        """Raise DemoError for whatever would make the start fail half-way."""
        if self.servers < 1:
            raise DemoError("--servers must be at least 1")
        require_front_end()
        require_package(self.asgi)
        for port in self.ports:
            require_free(port)
        if self.redis:
            require_redis(self.redis)

    @property
    def ports(self) -> range:
        """The ports of the web server processes."""
        return range(self.port, self.port + self.servers)

    def start_redis(self, running: ExitStack) -> tuple[Child | None, str]:
        """Return the url of a Redis that answers, and its process if it is ours."""
        if self.redis:
            return None, self.redis
        binary = embedded_valkey()
        folder = Path(settings.DATA_DIR) / "valkey"
        lock = lock_folder(folder)
        running.callback(os.close, lock)
        port = free_port()
        # SIGTERM also when orphaned: it writes its append-only file to the end. It holds the lock for so long.
        child = Child("Valkey", valkey_command(binary, port, folder), orphaned_by=signal.SIGTERM, keeps_open=[lock])
        running.callback(child.stop, within_seconds=STOP_SECONDS)
        child.start()
        url = f"redis://{HOST}:{port}/0"
        self.wait_until(partial(answers, url), child, hint=f"see {folder / 'valkey.log'}")
        return child, url

    def start_worker(self, running: ExitStack, redis_url: str) -> Child:
        """Return the process that moves rooms from Redis into the database."""
        worker = Child("the worker", worker_command(), env=environment(redis_url))
        running.callback(worker.stop, within_seconds=STOP_SECONDS)
        worker.start()
        return worker

    def start_web(self, running: ExitStack, redis_url: str) -> list[Child]:
        """Return the web server processes; each of them answers."""
        env = environment(redis_url)
        command = ASGI_COMMANDS[self.asgi]
        children = [Child(f"{self.asgi} on port {port}", command(port), env=env) for port in self.ports]
        for child in children:
            running.callback(child.stop, within_seconds=STOP_SECONDS)
        for child in children:
            running.callback(child.ask_to_stop)  # runs first, as what comes last does: they end at the same time
            child.start()
        for child, port in zip(children, self.ports, strict=True):
            self.wait_until(partial(serves, port), child, hint="see above")
        return children

    def wait_until(self, ready: Callable[[], bool], child: Child, *, hint: str) -> None:
        """Return when a child is ready, or when the demo is to stop; raise DemoError if it ended or took too long."""
        while not self.stopping and not ready():
            if (code := child.exit_code()) is not None:
                raise DemoError(f"{child.name} ended with exit code {code} instead of starting: {hint}")
            if child.age_seconds > START_SECONDS:
                raise DemoError(f"{child.name} did not answer within {START_SECONDS:.0f} s: {hint}")
            time.sleep(0.05)

    def announce(self, redis_url: str) -> None:
        """Print the urls: they answer."""
        for index, port in enumerate(self.ports):
            self.say(f"{'Open' if index == 0 else '  or'} http://{HOST}:{port}/")
        for account in accounts(Path(settings.DATA_DIR) / "passwords.json"):
            known = f"password {account.password}" if account.password else "with the password that you gave it"
            self.say(f"Sign in as {account.name}, {known}")
        if not self.redis:
            self.say(f"Other commands find its Redis by YREDIS_REDIS_URL={redis_url}")
        self.say("Ctrl-C stops everything.")

    def watch(self, redis: Child | None, others: list[Child]) -> None:
        """Start again what has ended; raise DemoError if that won't help, or if Redis has ended."""
        if redis and redis.exit_code() is not None:
            raise DemoError(f"Valkey ended by itself with exit code {redis.exit_code()}")
        for child in others:
            code = child.exit_code()
            if code is None:
                continue
            if child.age_seconds < STABLE_SECONDS:
                raise DemoError(f"{child.name} ended at once with exit code {code}")
            self.say(f"{child.name} ended with exit code {code}: starting it again")
            child.start()


def environment(redis_url: str) -> dict[str, str]:
    """Return the environment of the demo's own processes."""
    return {**os.environ, "YREDIS_REDIS_URL": redis_url, "PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def serves(port: int) -> bool:
    """Tell whether a web server on a port answers a request, whatever it answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status > 0
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def say(line: str) -> None:
    """Print a line now, also into a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
