"""Long Python computations beside the event loop."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

LARGE_BYTES = 50_000
"""Walking over so much takes a few milliseconds: as long as everybody else may have to wait."""


async def calmly(size_bytes: int, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return what a pure function gives for input of about so many bytes; if that is much, it works in a thread.

    A thread is no faster, but the interpreter switches between it and the event loop every few milliseconds.
    """
    if size_bytes <= LARGE_BYTES:
        return function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)
