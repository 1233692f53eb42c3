"""A worker's pulse, as probes see it."""

import asyncio
import json
from contextlib import suppress

import pytest

from persistence import health
from persistence.health import Health
from tests.support.processes import free_port


async def ask(port: int, request: bytes = b"GET / HTTP/1.1\r\nHost: probe\r\n\r\n") -> tuple[int, bytes]:
    """Return the status and the body of an answer, (0, b"") if the connection is closed without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return (int(head.split()[1]), body) if head else (0, b"")


class TestThePort:
    async def test_it_answers_200_while_the_loop_goes_round(self):
        pulse = Health(port=free_port())
        await pulse.start()
        pulse.beat()
        status, body = await ask(pulse.port)
        await pulse.aclose()
        assert (status, json.loads(body)["status"]) == (200, "ok")

    async def test_it_answers_503_when_it_has_not_for_long(self, monkeypatch):
        monkeypatch.setattr(health, "STALE_SECONDS", 0.05)
        pulse = Health(port=free_port())
        await pulse.start()
        await asyncio.sleep(0.1)
        assert (await ask(pulse.port))[0] == 503
        pulse.beat()
        assert (await ask(pulse.port))[0] == 200
        await pulse.aclose()

    @pytest.mark.parametrize("request_", [b"x" * 100_000, b"\r\n\r\n", b"\0\r\n\r\n"])
    async def test_nonsense_does_no_harm(self, request_):
        pulse = Health(port=free_port())
        await pulse.start()
        pulse.beat()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(health, "REQUEST_SECONDS", 0.2)
            with suppress(ConnectionError):
                await ask(pulse.port, request_)
        assert (await ask(pulse.port))[0] == 200
        await pulse.aclose()

    async def test_a_taken_port_is_an_error_at_the_start(self):
        first = Health(port=free_port())
        await first.start()
        with pytest.raises(OSError):
            await Health(port=first.port).start()
        await first.aclose()


class TestTheFile:
    async def test_it_is_touched_while_the_loop_goes_round_and_removed_at_the_end(self, tmp_path, monkeypatch):
        monkeypatch.setattr(health, "TOUCH_SECONDS", 0.01)
        monkeypatch.setattr(health, "STALE_SECONDS", 0.1)
        pulse = Health(file=tmp_path / "alive")
        await pulse.start()
        running = asyncio.create_task(pulse.run())
        first = pulse.file.stat().st_mtime_ns
        await asyncio.sleep(0.05)
        assert (second := pulse.file.stat().st_mtime_ns) > first
        await asyncio.sleep(0.2)
        stale = pulse.file.stat().st_mtime_ns
        await asyncio.sleep(0.05)
        assert pulse.file.stat().st_mtime_ns == stale >= second
        running.cancel()
        await pulse.aclose()
        assert not pulse.file.exists()

    async def test_a_folder_that_is_not_there_is_an_error_at_the_start(self, tmp_path):
        with pytest.raises(OSError):
            await Health(file=tmp_path / "nowhere" / "alive").start()
