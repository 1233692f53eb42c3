"""An event loop in a thread, for callers that have none: views, commands, the shell, plain scripts.

One loop a process, started with the first call. After a fork the child starts one of its own: a parent's thread and
sockets don't live on in it.
"""

import asyncio
import contextvars
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in the background loop and return its result; blocks, so never call it in an event loop.

    Raises:
        RuntimeError: called in a thread with a running event loop, which it would block.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return start(coroutine).result()
    coroutine.close()
    raise RuntimeError("called from a running event loop: await the async function instead")


def start(coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
    """Let a coroutine run in the background loop, from anywhere. A process may end before it does.

    It runs in a context of its own: in that of a request, asgiref would let what it calls in a thread wait for the very
    thread that waits for it.
    """
    return contextvars.Context().run(asyncio.run_coroutine_threadsafe, coroutine, _background_loop())


def _background_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="yredis", daemon=True).start()
        return _loop


def _forget_after_fork() -> None:
    global _lock, _loop
    _lock, _loop = threading.Lock(), None


os.register_at_fork(after_in_child=_forget_after_fork)
