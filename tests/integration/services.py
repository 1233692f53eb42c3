"""PostgreSQL and S3 for tests: each is started when the first test asks, once for a process of the test run."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import environ
import pytest
from django.db import connections

from rooms import pool
from tests.support import postgres as postgresql
from tests.support.s3 import S3
from tests.support.servers import environment
from yredis_project.env import database
from yredis_project.servers import MANAGE

RUN = f"yredis_test_{os.getpid()}"
"""How this process's databases begin: a server that was given may serve others too."""


def migrate(url: str, folder: Path) -> None:
    """Make all tables."""
    env = environment(folder, "redis://127.0.0.1:1/0", {"DATABASE_URL": url})
    command = [sys.executable, str(MANAGE), "migrate", "--verbosity", "0"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgresql.Server]:
    """The PostgreSQL of the whole run: not to be frozen or killed."""
    with postgresql.server() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """The S3 endpoint of the whole run: whoever freezes it thaws it."""
    server = S3()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgres_databases(
    postgres: postgresql.Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], str]]:
    """Return a maker of migrated PostgreSQL databases: it takes a name and returns the url."""
    template, made = f"{RUN}_template", list[str]()
    migrate(postgres.create(template), tmp_path_factory.mktemp("postgres"))

    def fresh(name: str) -> str:
        made.append(f"{RUN}_{name}"[:60])
        return postgres.create(made[-1], template)

    yield fresh
    for name in (*made, template):
        postgres.drop(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database."""
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    migrate(f"sqlite:///{path}", path.parent)
    return path


@contextlib.contextmanager
def default_database(url: str) -> Iterator[None]:
    """Let all threads of this process use another database for the length of a block, with the site's options."""
    pool.close()
    before, connection = connections.settings["default"], connections["default"]
    connection.close()
    settings = {"default": database(environ.Env.db_url_config(url))}
    connections.settings["default"] = connections.configure_settings(settings)["default"]
    del connections["default"]
    try:
        yield
    finally:
        pool.close()
        connections["default"].close()
        connections.settings["default"], connections["default"] = before, connection
