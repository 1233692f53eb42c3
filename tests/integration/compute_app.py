"""A small ASGI application that computes: what test_compute.py runs under real servers."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

from rooms.compute import Compute
from rooms.errors import Undecodable

KILLS_A_CHILD = b"\1\1\5\0\x08\1\1t\1" + b"\x75\1" * 60_000 + b"\x7e\0"
A_LETTER = bytes.fromhex("0101050004010174016100")

compute: Compute | None = None


async def application(scope: dict[str, Any], receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Answer any request with what 20 requests at once got, half of which kill their child."""
    global compute
    if scope["type"] != "http":
        return
    compute = compute or Compute(processes=2, memory_bytes=2**29, timeout_seconds=10)
    asked = [compute.run("summarise", [A_LETTER if n % 2 else KILLS_A_CHILD]) for n in range(20)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    told = {
        "pid": os.getpid(),
        "loop": type(asyncio.get_running_loop()).__module__,
        "right": sum(answer == [A_LETTER, b"\1\5\1\0\1", b"\0", b""] for answer in answers),
        "refused": sum(isinstance(answer, Undecodable) for answer in answers),
    }
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})
