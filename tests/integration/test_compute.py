"""What `rooms.compute` promises, with real child processes and bytes that really kill them."""

import asyncio
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from rooms import compute_frames, compute_process, merge, wire
from rooms.compute import Compute, ComputeUnavailable
from rooms.errors import Undecodable

ROOT = Path(__file__).resolve().parent.parent.parent

A_LETTER = bytes.fromhex("0101050004010174016100")
PANIC = bytes.fromhex("01020a002801016d0163017c7c4f0000000000")
KILLS_A_CHILD = b"\1\1\5\0\x08\1\1t\1" + b"\x75\1" * 60_000 + b"\x7e\0"
"""An array in an array in an array ...: decoding it overflows the stack."""


def nested_arrays(depth: int) -> bytes:
    """Return the update that nests `depth` shared arrays and deletes the outermost, and so all of them."""
    outermost = b"\7\1\1t\0"
    inner = (b"\7\0\5" + wire.var_uint(parent) + b"\0" for parent in range(depth - 1))
    return b"\1" + wire.var_uint(depth) + b"\5\0" + outermost + b"".join(inner) + b"\1\5\1\0\1"


def large_text(characters: int, clock: int = 0) -> bytes:
    """Return the update that types one long string; `clock` is where the string before it ended."""
    place = b"\x84\5" + wire.var_uint(clock - 1) if clock else b"\4\1\1t"
    return b"\1\1\5" + wire.var_uint(clock) + place + wire.var_bytes(b"x" * characters) + b"\0"


def children_of(pid: int) -> list[int]:
    """Return the ids of the living compute children of a process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z" and b"rooms.compute" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def alive(pid: int) -> bool:
    """Tell whether a process exists that is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


bystanders: set[int] = set()
"""Children that this process had before the test began, such as those behind `rooms.api`."""


def my_children() -> list[int]:
    return [child for child in children_of(os.getpid()) if child not in bystanders]


async def until(condition: Callable[[], Any], *, within_seconds: float = 10.0) -> None:
    """Wait until `condition` holds; fail if it does not in time."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.02)


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Compute]]:
    """A function that makes a Compute, which is closed after the test and then has left no process."""
    made: list[Compute] = []
    bystanders.clear()
    bystanders.update(my_children())

    def make(**options: Any) -> Compute:
        defaults: dict[str, Any] = {"processes": 2, "memory_bytes": 2**29, "timeout_seconds": 20}
        made.append(Compute(**{**defaults, **options}))
        return made[-1]

    yield make
    for compute in made:
        await compute.aclose()
    assert my_children() == []


@pytest.fixture
def compute(start: Callable[..., Compute]) -> Compute:
    return start()


class TestOperations:
    async def test_summarise_merges_and_tells_what_is_there(self, compute):
        assert await compute.run("summarise", [A_LETTER, A_LETTER]) == [A_LETTER, b"\1\5\1\0\1", b"\0", b""]

    async def test_summarise_of_nothing_is_the_empty_update(self, compute):
        assert await compute.run("summarise", []) == [b"\0\0", b"\0", b"\0", b""]

    async def test_diff_gives_what_a_peer_lacks(self, compute):
        assert await compute.run("diff", [A_LETTER, b"\0"]) == [A_LETTER]
        assert await compute.run("diff", [A_LETTER, b"\1\5\1"]) == [merge.EMPTY_UPDATE]

    async def test_rebuild_compacts(self, compute):
        (compacted,) = await compute.run("rebuild", [A_LETTER, b"\0\1\5\1\0\1"])
        assert compacted == bytes.fromhex("0101050001010174010105010001")

    async def test_an_unknown_operation_is_the_callers_mistake(self, compute):
        with pytest.raises(ValueError, match="no operation"):
            await compute.run("exec", [])
        assert my_children() == []

    async def test_100_000_parts_are_one_request(self, compute):
        assert (await compute.run("summarise", [A_LETTER] * 100_000))[1] == b"\1\5\1\0\1"

    async def test_60_mb_go_both_ways_and_hold_up_nobody(self, start):
        parts = [large_text(10_000_000, clock) for clock in range(0, 60_000_000, 10_000_000)]
        request = asyncio.create_task(start(memory_bytes=2**30).run("summarise", parts))
        longest = 0.0
        while not request.done():
            before = time.thread_time()  # what this loop computes, however busy the machine is
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - before)
        merged, structs, *_ = await request
        assert (len(merged) > 60_000_000, structs) == (True, b"\1\5\1\0" + wire.var_uint(60_000_000))
        assert longest < 0.5

    async def test_20_000_values_pushed_in_a_row_are_rebuilt_in_256_mb(self, start):
        pushes = [bytes.fromhex("010105000801017401770161 00")]
        pushes += [
            b"\1\1\5" + wire.var_uint(n) + b"\x88\5" + wire.var_uint(n - 1) + b"\1w\1a\0" for n in range(1, 20_000)
        ]
        (rebuilt,) = await start(memory_bytes=2**28).run("rebuild", pushes)
        assert merge.state_vector_of(rebuilt) == b"\1\5" + wire.var_uint(20_000)


class TestChildren:
    async def test_none_is_started_before_the_first_request(self, compute):
        assert my_children() == []
        await compute.run("summarise", [A_LETTER])
        assert len(my_children()) == 1

    async def test_requests_beyond_the_limit_wait(self, compute):
        answers = await asyncio.gather(*(compute.run("summarise", [A_LETTER]) for _ in range(20)))
        assert (len(answers), len(my_children())) == (20, 2)

    async def test_one_that_has_served_its_time_is_replaced(self, start):
        compute = start(processes=1, recycle_after=2)
        used = []
        for _ in range(4):
            used += my_children()
            await compute.run("summarise", [A_LETTER])
        assert len(set(used)) == 2

    async def test_idle_ones_end(self, start):
        compute = start(idle_seconds=0.2)
        await compute.run("summarise", [A_LETTER])
        await until(lambda: not my_children(), within_seconds=2)
        assert await compute.run("diff", [A_LETTER, b"\0"]) == [A_LETTER]

    async def test_work_puts_the_end_off(self, start):
        compute = start(idle_seconds=0.5)
        for _ in range(8):
            await compute.run("summarise", [A_LETTER])
            await asyncio.sleep(0.1)
        (_,) = my_children()

    async def test_one_killed_while_idle_costs_no_request(self, compute):
        await compute.run("summarise", [A_LETTER])
        os.kill(my_children()[0], signal.SIGKILL)
        await until(lambda: not my_children())
        assert await compute.run("diff", [A_LETTER, b"\0"]) == [A_LETTER]

    async def test_closing_leaves_none_and_refuses_requests(self, compute):
        await compute.run("summarise", [A_LETTER])
        await compute.aclose()
        assert my_children() == []
        with pytest.raises(ComputeUnavailable):
            await compute.run("summarise", [A_LETTER])

    async def test_closing_under_way_says_nothing_about_the_bytes(self, start, caplog):
        compute = start(processes=1)
        requests = [asyncio.create_task(compute.run("rebuild", [large_text(20_000_000)])) for _ in range(3)]
        await until(my_children)
        await asyncio.sleep(0.1)
        await compute.aclose()
        answers = await asyncio.gather(*requests, return_exceptions=True)
        assert {type(answer) for answer in answers} == {ComputeUnavailable}
        assert caplog.records == []

    @pytest.mark.parametrize("executable", ["/nowhere/python", "/bin/false"])
    async def test_one_that_can_not_be_started_says_nothing_about_the_bytes(
        self, compute, executable, monkeypatch, caplog
    ):
        monkeypatch.setattr(compute_process.sys, "executable", executable)
        with pytest.raises(ComputeUnavailable):
            await compute.run("summarise", [A_LETTER])
        assert [record.action for record in caplog.records] == ["compute_not_started"]

    async def test_it_does_not_know_the_sites_secrets(self, compute, monkeypatch):
        monkeypatch.setenv("SECRET_KEY", "very secret")
        await compute.run("summarise", [A_LETTER])
        assert b"SECRET_KEY" not in Path(f"/proc/{my_children()[0]}/environ").read_bytes()

    def test_it_imports_neither_django_nor_redis_nor_asyncio(self):
        command = [sys.executable, "-X", "importtime", "-m", "rooms.compute", str(2**30), "5"]
        ours, theirs = socket.socketpair()
        with theirs:
            ours.close()
            ended = subprocess.run(command, stdin=theirs, stderr=subprocess.PIPE, cwd=ROOT, check=True)
        imported = {line.rpartition(b"|")[2].strip().partition(b".")[0] for line in ended.stderr.splitlines()}
        assert b"rooms" in imported
        assert imported.isdisjoint({b"django", b"redis", b"channels", b"asyncio", b"anyio"})

    def test_it_finds_rooms_when_the_server_was_started_elsewhere(self, tmp_path):
        program = f"""
import asyncio, sys
sys.path.insert(0, {str(ROOT)!r})
from rooms.compute import Compute
async def main():
    compute = Compute(processes=1, memory_bytes=2**29, timeout_seconds=5)
    print(await compute.run("summarise", []))
    await compute.aclose()
asyncio.run(main())
"""
        (tmp_path / "struct.py").write_text("raise SystemExit('a file in the folder was imported')")
        command = [sys.executable, "-P", "-c", program]
        assert subprocess.check_output(command, cwd=tmp_path, env={}) == b"[b'\\x00\\x00', b'\\x00', b'\\x00', b'']\n"


class TestHostileBytes:
    """Each costs the one request that it came with."""

    @pytest.mark.parametrize(
        ("operation", "parts"),
        [
            pytest.param("summarise", [KILLS_A_CHILD], id="values nested 60,000 deep"),
            pytest.param("diff", [KILLS_A_CHILD, b"\0"], id="values nested 60,000 deep, diff"),
            pytest.param("rebuild", [nested_arrays(40_000)], id="40,000 nested arrays deleted"),
        ],
    )
    async def test_bytes_that_kill_the_child_are_undecodable(self, start, operation, parts, caplog):
        crashes = []
        compute = start(on_crash=lambda: crashes.append(1))
        with pytest.raises(Undecodable, match="SIGSEGV"):
            await compute.run(operation, parts)
        assert await compute.run("diff", [A_LETTER, b"\0"]) == [A_LETTER]
        assert len(crashes) == 1
        (record,) = caplog.records
        assert (record.levelno, record.action, record.operation) == (logging.WARNING, "compute_crashed", operation)

    async def test_values_nested_26_000_deep_are_survived(self, compute):
        with suppress(Undecodable):
            await compute.run("rebuild", [b"\1\1\5\0\x08\1\1t\1" + b"\x75\1" * 26_000 + b"\x7e\0"])
        assert await compute.run("diff", [A_LETTER, b"\0"]) == [A_LETTER]

    async def test_a_panic_is_undecodable_and_prints_nothing(self, compute, capfd):
        with pytest.raises(Undecodable, match="panicked"):
            await compute.run("rebuild", [PANIC])
        assert await compute.run("diff", [A_LETTER, b"\0"]) == [A_LETTER]
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("parts", [[b""], [b"\1"], [A_LETTER, b"\1\1\5"]])
    async def test_what_no_decoder_takes_is_undecodable_and_kills_nobody(self, compute, parts):
        await compute.run("summarise", [A_LETTER])
        before = my_children()
        with pytest.raises(Undecodable):
            await compute.run("summarise", parts)
        assert my_children() == before

    async def test_a_state_vector_that_claims_2_29_entries_stays_in_the_memory_limit(self, start):
        compute = start(processes=1, memory_bytes=2**28)
        with pytest.raises(Undecodable):
            await compute.run("diff", [A_LETTER, wire.var_uint(2**29)])
        assert await compute.run("diff", [A_LETTER, b"\0"]) == [A_LETTER]
        status = Path(f"/proc/{my_children()[0]}/status").read_text()
        assert int(status.partition("VmPeak:")[2].split()[0]) * 1024 <= 2**28

    @pytest.mark.parametrize("limit_bytes", [100_000_000, 160_000_000, 220_000_000])
    async def test_a_request_over_the_memory_limit_is_undecodable(self, start, limit_bytes):
        compute = start(memory_bytes=limit_bytes)
        with pytest.raises(Undecodable):
            await compute.run("rebuild", [large_text(60_000_000)])
        assert await compute.run("diff", [A_LETTER, b"\0"]) == [A_LETTER]

    async def test_sixty_of_them_do_not_keep_a_good_request_waiting(self, compute):
        bad = [asyncio.create_task(compute.run("summarise", [KILLS_A_CHILD])) for _ in range(60)]
        await asyncio.sleep(0)
        started = time.monotonic()
        assert await compute.run("diff", [A_LETTER, b"\0"]) == [A_LETTER]
        assert time.monotonic() - started < 15
        answers = await asyncio.gather(*bad, return_exceptions=True)
        assert {type(answer) for answer in answers} == {Undecodable}


class TestTime:
    async def test_a_child_that_gives_no_answer_in_time_is_killed(self, start):
        crashes = []
        compute = start(processes=1, timeout_seconds=0.3, on_crash=lambda: crashes.append(1))
        await compute.run("summarise", [A_LETTER])
        (child,) = my_children()
        os.kill(child, signal.SIGSTOP)
        with pytest.raises(Undecodable, match=r"took over 0\.3 s"):
            await compute.run("summarise", [A_LETTER])
        await until(lambda: not alive(child))
        assert await compute.run("diff", [A_LETTER, b"\0"]) == [A_LETTER]
        assert len(crashes) == 1

    async def test_one_late_request_does_not_disturb_another(self, start):
        compute = start(timeout_seconds=0.5)
        await asyncio.gather(*(compute.run("summarise", [A_LETTER]) for _ in range(2)))
        os.kill(my_children()[0], signal.SIGSTOP)
        requests = [compute.run("diff", [A_LETTER, b"\0"]) for _ in range(6)]
        answers = await asyncio.gather(*requests, return_exceptions=True)
        assert sorted(type(answer).__name__ for answer in answers) == ["Undecodable", *["list"] * 5]


class TestCancellation:
    async def test_no_answer_crosses_to_another_caller(self, start):
        compute, chance = start(processes=1), random.Random(3)
        for size in range(1, 40):
            lost = asyncio.create_task(compute.run("diff", [large_text(300_000), b"\0"]))
            await asyncio.sleep(chance.random() * 0.01)
            lost.cancel()
            update = large_text(size)
            assert await compute.run("diff", [update, b"\0"]) == [update]

    async def test_a_caller_cancelled_while_waiting_leaves_its_place(self, start):
        compute = start(processes=1)
        first, *others = [asyncio.create_task(compute.run("diff", [large_text(9), b"\0"])) for _ in range(5)]
        await asyncio.sleep(0)
        for waiting in others:
            waiting.cancel()
        assert await first == [large_text(9)]
        assert await compute.run("diff", [A_LETTER, b"\0"]) == [A_LETTER]

    async def test_a_caller_cancelled_while_its_child_starts_leaves_no_process(self, compute):
        for milliseconds in range(0, 40, 2):
            lost = asyncio.create_task(compute.run("summarise", [A_LETTER]))
            await asyncio.sleep(milliseconds / 1000)
            lost.cancel()
        await until(lambda: len(my_children()) <= 2, within_seconds=2)
        assert await compute.run("diff", [A_LETTER, b"\0"]) == [A_LETTER]


PARENT = f"""
import asyncio, sys
sys.path.insert(0, {str(ROOT)!r})
from rooms.compute import Compute
async def main():
    compute = Compute(processes=2, memory_bytes=2**30, timeout_seconds=2)
    await asyncio.gather(*(compute.run("summarise", []) for _ in range(2)))
    print("ready", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has two idle children."""
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


class TestTheParentsEnd:
    @pytest.mark.parametrize("cause", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    async def test_children_end_with_their_parent(self, parent, cause):
        children = children_of(parent.pid)
        assert len(children) == 2
        parent.send_signal(cause)
        await until(lambda: not any(map(alive, children)), within_seconds=3)

    async def test_a_child_at_work_when_its_parent_is_killed_ends_by_its_own_alarm(self):
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "rooms.compute", str(2**31), "0.3"]
        with ours, theirs:
            child = subprocess.Popen(command, stdin=theirs, cwd=ROOT)
            theirs.close()
            parts = [b"rebuild", *(large_text(15_000_000, clock) for clock in range(0, 60_000_000, 15_000_000))]
            for piece in compute_frames.pieces(parts):
                ours.sendall(piece)
        await until(lambda: child.poll() is not None, within_seconds=5)
        assert child.returncode == -signal.SIGALRM


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


SERVERS = {
    "daphne": ["daphne", "-b", "127.0.0.1", "-p", "{port}", "tests.integration.compute_app:application"],
    "uvicorn": ["uvicorn", "--host", "127.0.0.1", "--port", "{port}", "tests.integration.compute_app:application"],
}


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The url of compute_app under the server named by the test, and the server's process."""
    port = free_port()
    command = [argument.format(port=port) for argument in SERVERS[request.param]]
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{port}/", process
    process.kill()
    process.wait()


def fetch(url: str) -> dict[str, Any]:
    """Return the JSON answer of a server, which may still be starting."""
    deadline = time.monotonic() + 20
    while True:
        try:
            with urlopen(url) as response:
                told: dict[str, Any] = json.load(response)
                return told
        except OSError:
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)


@pytest.mark.parametrize("served", SERVERS, indirect=True)
class TestRealServers:
    async def test_good_and_bad_requests_are_answered_and_nothing_is_left(self, served):
        url, server = served
        for _ in range(2):
            told = await asyncio.to_thread(fetch, url)
            assert (told["right"], told["refused"]) == (10, 10)
        children = children_of(server.pid)
        assert 1 <= len(children) <= 2
        server.terminate()
        await until(lambda: server.poll() is not None and not any(map(alive, children)), within_seconds=15)
