"""What the README tells a site to do, done to the letter with a new Django project."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.processes import Process, free_port
from tests.support.raw import RawClient
from tests.support.valkey import Valkey
from yredis_project.servers import largest_message_bytes

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text()
FILES = dict(re.findall(r"^```python\n# (\S+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
SHELL = "".join(re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
LINES = [shlex.split(line, comments=True) for line in SHELL.splitlines()]
SERVERS = {line[0]: line[1:] for line in LINES if line and line[0] in {"daphne", "uvicorn"}}
MANAGE = [line[1:] for line in LINES if line[:2] == ["python", "manage.py"]]


@dataclass(frozen=True)
class Site:
    """A new project with the README's lines added, and its Redis."""

    folder: Path
    redis: Valkey
    env: dict[str, str]

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, *arguments]

    @contextmanager
    def served(self, *arguments: str, port: int) -> Iterator[str]:
        """Run a server and yield what is given to y-websocket."""
        server = Process(self.command(*arguments), log=self.folder / "log", port=port, env=self.env)
        try:
            server.start()
            yield f"ws://127.0.0.1:{port}/ws"
        finally:
            server.terminate()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A project as `startproject` makes it, changed as the README says."""
    subprocess.run([sys.executable, "-m", "django", "startproject", "mysite", str(tmp_path)], check=True)
    redis = Valkey(tmp_path / "redis")
    settings = tmp_path / "mysite" / "settings.py"
    added = FILES["mysite/settings.py"].replace("redis://localhost:6379/0", redis.url)
    settings.write_text(settings.read_text() + added)
    for name in ("mysite/access.py", "mysite/asgi.py"):
        (tmp_path / name).write_text(FILES[name])
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    made = Site(tmp_path, redis, {**env, "PYTHONPATH": f"{tmp_path}:{ROOT}"})
    try:
        redis.start()
        subprocess.run(made.command(str(tmp_path / "manage.py"), "migrate"), env=made.env, check=True)
        yield made
    finally:
        redis.kill()


async def answer(url: str) -> bytes:
    """Return what the room that is open to everybody holds."""
    client = await RawClient.open(url, "lobby")
    try:
        return await client.sync()
    finally:
        await client.close()


class TestAddItToASite:
    @pytest.mark.parametrize("server", ["daphne", "uvicorn"])
    async def test_a_room_answers(self, site, server):
        port = free_port()
        with site.served("-m", server, *SERVERS[server], "--port", str(port), port=port) as url:
            assert await answer(url) == b"\x00\x00"

    async def test_a_room_answers_in_runserver(self, site):
        assert ["manage.py", "runserver"] in MANAGE
        port = free_port()
        manage = str(site.folder / "manage.py")
        with site.served(manage, "runserver", "--noreload", f"127.0.0.1:{port}", port=port) as url:
            assert await answer(url) == b"\x00\x00"

    async def test_the_sites_own_function_decides(self, site):
        port = free_port()
        with site.served("-m", "daphne", *SERVERS["daphne"], "--port", str(port), port=port) as url:
            client = await RawClient.open(url, "attic")
            assert await client.close_code() == 4403

    def test_a_worker_has_nothing_to_complain_of(self, site):
        assert {("manage.py", "migrate"), ("manage.py", "runpersistence")} <= set(map(tuple, MANAGE))
        command = site.command(str(site.folder / "manage.py"), "runpersistence", "--once")
        done = subprocess.run(command, env=site.env, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr

    def test_the_settings_pass_the_checks(self, site):
        assert ["manage.py", "check"] in MANAGE
        self.check(site, code=0)

    def test_the_checks_find_a_wrong_setting(self, site):
        with (site.folder / "mysite" / "settings.py").open("a") as settings:
            settings.write("YREDIS['AUTHORISE'] = ''\n")
        assert "yredis.E001" in self.check(site, code=1)

    def check(self, site: Site, *, code: int) -> str:
        """Return what `manage.py check` prints."""
        command = site.command(str(site.folder / "manage.py"), "check")
        done = subprocess.run(command, env=site.env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    def test_the_servers_take_frames_well_above_our_limit(self):
        limits = [int(word) for options in SERVERS.values() for word in options if word.isdigit()]
        assert limits == [largest_message_bytes()] * 3


class TestCommands:
    def test_every_make_command_of_it_is_in_the_makefile(self):
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(re.findall(r"`make ([a-z-]+)", README)) <= set(targets)
