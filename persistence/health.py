"""Whether a worker's loop goes round, for probes: a file that is touched, or a port that answers.

It says nothing of Redis or the store: a worker without them waits and is well; starting it again would not help.
"""

import asyncio
import json
import logging
import time
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

STALE_SECONDS = 30.0
"""A loop that did not go round for so long is stuck: it never waits longer than for one answer of Redis."""

TOUCH_SECONDS = 1.0
REQUEST_SECONDS = 5.0
REASONS = {200: "OK", 503: "Service Unavailable"}


class Health:
    """The pulse of a worker, and those who are shown it.

    Args:
        file: touched about every second while the loop goes round; removed at the end.
        port: of all addresses of this machine; GET anything answers 200 or 503, with the seconds since the last round.
    """

    def __init__(self, *, file: Path | None = None, port: int | None = None) -> None:
        self.file = file
        self.port = port
        self._beat_at = time.monotonic()
        self._server: asyncio.Server | None = None

    def beat(self) -> None:
        """Say that the loop has gone round once more."""
        self._beat_at = time.monotonic()

    @property
    def silent_seconds(self) -> float:
        """How long ago the loop went round."""
        return time.monotonic() - self._beat_at

    @property
    def is_well(self) -> bool:
        """Whether that is recent."""
        return self.silent_seconds < STALE_SECONDS

    async def start(self) -> None:
        """Listen and touch the file for the first time; raise OSError if one of them is impossible."""
        if self.file:
            await asyncio.to_thread(self.file.touch)
        if self.port:
            self._server = await asyncio.start_server(self._answer, None, self.port)

    async def run(self) -> None:
        """Touch the file for as long as all is well."""
        while self.file:
            await asyncio.sleep(TOUCH_SECONDS)
            if self.is_well:
                try:
                    await asyncio.to_thread(self.file.touch)
                except OSError as error:  # a full disk: the worker itself can go on
                    extra = {"action": "health_file_failed", "reason": str(error)}
                    logger.warning("The health file can't be touched: %s", error, extra=extra)

    async def aclose(self) -> None:
        """Stop answering, and take the file away."""
        if self._server:
            self._server.close()
        if self.file:
            with suppress(OSError):
                await asyncio.to_thread(self.file.unlink, missing_ok=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(REQUEST_SECONDS):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(self._response())
                await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    def _response(self) -> bytes:
        status = 200 if self.is_well else 503
        told = {"status": "ok" if self.is_well else "stuck", "silent_seconds": round(self.silent_seconds, 3)}
        body = json.dumps(told).encode()
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\nConnection: close\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
