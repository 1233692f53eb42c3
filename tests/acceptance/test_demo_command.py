"""`manage.py demo`, run as a person or a program runs it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

import httpx
import pytest
import redis

from tests.support.processes import Process, accepts, free_port
from yredis_project.preflight import DemoError, lock_folder, require_package, require_redis

ROOT = Path(__file__).resolve().parent.parent.parent


def two_free_ports() -> int:
    """Return a port that is free, as is the one after it."""
    while True:
        port = free_port()
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port + 1))
            return port


def command(*options: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), "demo", *options]


def environment(folder: Path) -> dict[str, str]:
    """Return ours, with the demo's data, also its database, in a folder of the test."""
    return {**os.environ, "DATA_DIR": str(folder), "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3"}


def left_over(folder: Path) -> list[str]:
    """Return the command lines of a demo and its children: the folder is in their environment, or where they work.

    (Valkey writes over its environment, and works in its data folder.)
    """
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            told = f"DATA_DIR={folder}\0".encode() in (process / "environ").read_bytes()
            if told or (process / "cwd").readlink().is_relative_to(folder):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def within(seconds: float, is_true: Callable[[], bool]) -> bool:
    """Tell whether something becomes true in time."""
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Demo(Process):
    """A running demo."""

    def says(self, text: str) -> bool:
        return text in self.log.read_text()


@contextmanager
def running(folder: Path, *options: str, port: int) -> Iterator[Demo]:
    """Run a demo that has printed its last line: it answers."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "demo.log"
    log.touch()
    demo = Demo(command("--port", str(port), *options), log=log, port=port, env=environment(folder))
    demo.launch()
    try:
        assert within(60, lambda: demo.says("Ctrl-C stops everything.") or not demo.running), demo.log_tail()
        assert demo.running, demo.log_tail()
        yield demo
    finally:
        demo.terminate()


def pid_of_server(folder: Path, port: int) -> int:
    """Return the process id of the web server on a port."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (process / "cmdline").read_bytes()
            if b"daphne" in line and f"\0{port}\0".encode() in line:
                return int(process.name)
    raise AssertionError(f"no daphne on port {port}")


class TestRunning:
    def test_each_server_answers_by_the_time_its_url_is_printed(self, tmp_path):
        port = two_free_ports()
        with running(tmp_path, "--servers", "2", port=port) as demo:
            urls = re.findall(r"http://\S+", demo.log.read_text())
            pages = [urlopen(url).read() for url in urls]
        assert urls == [f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{port + 1}/"]
        assert all(b"demo-notes" in page for page in pages)

    def test_it_prints_passwords_that_let_people_in_and_prints_them_again(self, tmp_path):
        port = free_port()
        with running(tmp_path, port=port) as demo:
            printed = re.findall(r"^Sign in as (\w+), password (\S+)$", demo.log.read_text(), re.MULTILINE)
            assert [name for name, _ in printed] == ["reader", "writer", "admin"]
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as browser:
                browser.get("/sign-in")
                form = {"username": "admin", "password": dict(printed)["admin"]}
                headers = {"X-CSRFToken": browser.cookies["csrftoken"]}
                assert browser.post("/sign-in", data=form, headers=headers).status_code == 302
                assert "yredis_rooms" in browser.get("/admin/").text
            assert not demo.says("WARNING"), demo.log_tail()
        with running(tmp_path, port=port) as demo:
            again = re.findall(r"^Sign in as (\w+), password (\S+)$", demo.log.read_text(), re.MULTILINE)
        assert again == printed
        assert (tmp_path / "passwords.json").stat().st_mode & 0o077 == 0
        assert (tmp_path / "token_key.pem").stat().st_mode & 0o077 == 0

    def test_redis_keeps_its_data_in_the_folder(self, tmp_path):
        with running(tmp_path, port=free_port()) as demo:
            assert list((tmp_path / "valkey" / "appendonlydir").glob("*.incr.aof"))
            [url] = re.findall(r"YREDIS_REDIS_URL=(\S+)", demo.log.read_text())
            with redis.Redis.from_url(url) as client:
                assert client.hgetall("yredis:layout")

    def test_uvicorn_serves_it_too(self, tmp_path):
        port = free_port()
        with running(tmp_path, "--asgi", "uvicorn", port=port):
            assert b"demo-notes" in urlopen(f"http://127.0.0.1:{port}/").read()

    def test_a_web_server_that_was_killed_is_started_again(self, tmp_path):
        port = free_port()
        with running(tmp_path, port=port) as demo:
            time.sleep(5.0)  # only one that has run for so long is
            os.kill(pid_of_server(tmp_path, port), signal.SIGKILL)
            assert within(5, lambda: demo.says("starting it again"))
            assert within(30, lambda: accepts(port))


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_ends_it_and_leaves_no_orphan(self, tmp_path, number):
        with running(tmp_path, port=free_port()) as demo:
            assert len(left_over(tmp_path)) == 4  # the demo, Valkey, a worker, a web server
            assert demo.popen
            demo.popen.send_signal(number)
            assert demo.popen.wait(20) == 0
            assert left_over(tmp_path) == []

    def test_kill_9_leaves_no_orphan(self, tmp_path):
        with running(tmp_path, "--servers", "2", port=two_free_ports()) as demo:
            assert len(left_over(tmp_path)) == 5
            demo.kill()
            assert within(5, lambda: left_over(tmp_path) == []), left_over(tmp_path)

    def test_it_can_be_started_again_at_once_after_kill_9(self, tmp_path):
        port = free_port()
        with running(tmp_path, port=port) as demo:
            demo.kill()
        with running(tmp_path, port=port) as demo:
            assert demo.running


class TestRefusing:
    def refused(self, folder: Path, *options: str) -> str:
        """Return what a demo that cannot start prints: one line on stderr, with exit code 1."""
        ended = subprocess.run(
            command(*options), env=environment(folder), capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 1
        assert ended.stdout == ""
        assert ended.stderr.count("\n") == 1
        assert left_over(folder) == []
        return ended.stderr

    def test_a_taken_port(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            assert f"port {port} is taken" in self.refused(tmp_path, "--port", str(port))

    def test_a_taken_port_of_a_later_server(self, tmp_path):
        port = two_free_ports()
        with socket.create_server(("127.0.0.1", port + 1)):
            assert f"port {port + 1} is taken" in self.refused(tmp_path, "--port", str(port), "--servers", "2")

    @pytest.mark.parametrize("port", [0, 65536, -1])
    def test_a_port_that_is_none(self, tmp_path, port):
        assert f"port {port} is not between 1 and 65535" in self.refused(tmp_path, "--port", str(port))

    def test_a_redis_that_does_not_answer(self, tmp_path):
        url = f"redis://:secret@127.0.0.1:{free_port()}/0"
        line = self.refused(tmp_path, "--port", str(free_port()), "--redis", url)
        assert "no Redis answers" in line
        assert "secret" not in line

    def test_a_redis_url_that_is_none(self, tmp_path):
        assert "--redis must be a url" in self.refused(tmp_path, "--port", str(free_port()), "--redis", "nonsense")

    @pytest.mark.parametrize(
        "rest",
        [":s3cr3t/pw@host", ":12/s3cr3t@host", ":12?s3cr3t@host", ":12#s3cr3t@host", ":s3cr3t[pw@host", "[s3cr3t"],
    )
    def test_a_redis_url_whose_password_was_not_encoded_is_not_repeated(self, rest):
        with pytest.raises(DemoError, match="REDIS_URL") as refused:
            require_redis(f"redis://{rest}")
        assert not {"s3cr3t", "12"} & set(re.findall(r"\w+", str(refused.value)))

    def test_only_the_place_of_a_redis_is_named(self):
        port = free_port()
        with pytest.raises(DemoError, match=f"at 127.0.0.1:{port}:") as refused:
            require_redis(f"redis://u:s3cr3t@127.0.0.1:{port}/0?password=s3cr3t")
        assert "s3cr3t" not in str(refused.value)

    def test_a_missing_package(self):
        with pytest.raises(DemoError, match="hypercorn-of-mars is not installed"):
            require_package("hypercorn-of-mars")

    def test_a_folder_that_another_demo_uses(self, tmp_path):
        held = lock_folder(tmp_path)
        with pytest.raises(DemoError, match="another demo uses"):
            lock_folder(tmp_path, within_seconds=0.2)
        os.close(held)
