"""Blocking calls in threads: bounded, with a deadline, and no thread that hangs stands in the others' way."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rooms import pool
from rooms.errors import StoreUnavailable, Undecodable


@pytest.fixture(autouse=True)
def quick(settings: Any) -> Iterator[None]:
    """Two threads, and a deadline that a test can wait for."""
    settings.YREDIS = {"STORE_THREADS": 2, "STORE_TIMEOUT_SECONDS": 0.3}
    yield
    pool.close()


async def test_a_result_is_returned() -> None:
    assert await pool.run(max, 1, 2) == 2


async def test_what_is_raised_is_a_store_that_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match="ZeroDivisionError: division by zero"):
        await pool.run(lambda: 1 / 0)


async def test_an_error_of_ours_is_raised_as_it_is() -> None:
    def refuse() -> None:
        raise Undecodable("not a segment")

    with pytest.raises(Undecodable, match="not a segment"):
        await pool.run(refuse)


async def test_no_more_threads_than_configured_work() -> None:
    working, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        time.sleep(0.01)
        with lock:
            working -= 1

    await asyncio.gather(*(pool.run(work) for _ in range(10)))
    assert most == 2


async def test_what_hangs_is_given_up_and_others_go_on() -> None:
    release = threading.Event()
    try:
        hanging = [asyncio.create_task(pool.run(release.wait)) for _ in range(2)]
        for task in hanging:
            with pytest.raises(StoreUnavailable, match=r"no answer within 0\.3 s"):
                await task
        assert await pool.run(max, 1, 2) == 2
    finally:
        release.set()


async def test_what_hangs_in_one_pool_is_not_in_the_way_of_another() -> None:
    release, others = threading.Event(), pool.Pool("others")
    try:
        for _ in range(2):
            assert not others.is_full
            with pytest.raises(StoreUnavailable):
                await others.run(release.wait)
        assert others.is_full
        assert await pool.run(max, 1, 2) == 2
    finally:
        release.set()
    async with asyncio.timeout(5):
        while others.is_full:
            await asyncio.sleep(0.01)
    assert await others.run(max, 1, 2) == 2


async def test_what_never_began_is_dropped(settings: Any) -> None:
    settings.YREDIS = {"STORE_THREADS": 2, "STORE_TIMEOUT_SECONDS": 60}  # nothing is given up while this goes on
    release, began, own = threading.Event(), threading.Event(), pool.Pool("own")
    try:
        hanging = [asyncio.create_task(own.run(release.wait)) for _ in range(2)]
        late = asyncio.create_task(own.run(began.set))
        await asyncio.sleep(0.05)
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)
    finally:
        release.set()
    await asyncio.gather(*hanging, own.run(max, 1, 2))
    assert not began.is_set()


def test_it_serves_one_event_loop_after_the_other() -> None:
    assert [asyncio.run(pool.run(max, 1, number)) for number in range(3)] == [1, 1, 2]


async def test_threads_end_when_it_is_closed() -> None:
    await pool.run(max, 1, 2)
    pool.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "yredis-store"]
    assert await pool.run(max, 1, 2) == 2


async def test_closing_many_threads_takes_no_time() -> None:
    await asyncio.gather(*(pool.run(time.sleep, 0.02) for _ in range(2)))
    began = time.monotonic()
    pool.close(within_seconds=10)
    assert time.monotonic() - began < 5
