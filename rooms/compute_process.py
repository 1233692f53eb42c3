"""A compute child as its parent sees it: a process, and a socket that is the process's standard input.

The processes are started and waited for without asyncio's child watchers, which differ between Python versions
and between event loops: a killed process is gone within milliseconds, so it is simply asked for until it is.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from rooms import compute_frames

BURIAL_SECONDS = 1.0
"""How long a child whose socket broke may take to die by itself, so that the log can say of what."""

POLL_SECONDS = 0.002

ALARM_FACTOR = 1.5
"""The child's own alarm rings later than our time-out: it is for a child whose parent was killed."""

READ_BYTES = 1024 * 1024
"""Half of what is read ahead from a child."""

INHERITED_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")
"""A child that decodes strangers' bytes is not told the site's secrets."""


def child_environment() -> Mapping[str, str]:
    """Return the environment in which a child finds the modules that this process found."""
    own_folder = str(Path(__file__).resolve().parent.parent)
    folders = [*(str(Path(folder).absolute()) for folder in sys.path), own_folder]
    kept = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    return kept | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(folders)), "RUST_BACKTRACE": "0"}


class Child:
    """A child process and our end of its socket; it is asked one thing at a time."""

    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.process = process
        self.reader = reader
        self.writer = writer
        self.served = 0
        self.retirement: asyncio.TimerHandle | None = None

    @classmethod
    async def start(cls, *, memory_bytes: int, timeout_seconds: float) -> Self:
        """Start the process, which is ready when a first `reply` has come; raise OSError if there can't be one."""
        command = [sys.executable, "-P", "-m", "rooms.compute", str(memory_bytes), str(timeout_seconds * ALARM_FACTOR)]
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                reader, writer = await asyncio.open_unix_connection(sock=ours, limit=READ_BYTES)
            except BaseException:
                ours.close()
                raise
            try:
                # In a session of its own, a terminal's Ctrl-C reaches only us. Nothing is awaited from here on.
                process = subprocess.Popen(  # noqa: ASYNC220  starting takes 2 ms, importing is what takes time
                    command,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    env=child_environment(),
                    start_new_session=True,
                )
            except OSError:
                writer.transport.abort()
                raise
        return cls(process, reader, writer)

    @property
    def alive(self) -> bool:
        """False once the process has died or closed its socket."""
        return self.process.poll() is None and not self.reader.at_eof()

    async def ask(self, parts: Sequence[bytes]) -> list[bytes]:
        """Send a request and return the parts of its reply; raise OSError or EOFError if the child dies."""
        for piece in compute_frames.pieces(parts):
            self.writer.write(piece)
            await self.writer.drain()
        return await self.reply()

    async def reply(self) -> list[bytes]:
        """Read one reply."""
        count = compute_frames.count(await self.reader.readexactly(compute_frames.COUNT.size))
        lengths = compute_frames.lengths(await self.reader.readexactly(count * compute_frames.LENGTH_BYTES))
        return [await self.reader.readexactly(length) for length in lengths]

    def kill(self) -> None:
        """End the process at once; `buried` tells when it is gone."""
        if self.retirement:
            self.retirement.cancel()
        self.process.kill()
        self.writer.transport.abort()

    async def buried(self) -> None:
        """Wait until the process has ended, and take note of it, so that no zombie stays."""
        while self.process.poll() is None:  # noqa: ASYNC110  there is no event: see the module's docstring
            await asyncio.sleep(POLL_SECONDS)

    async def cause_of_death(self) -> str:
        """Return, for people, how a child ended whose socket broke."""
        try:
            async with asyncio.timeout(BURIAL_SECONDS):
                await self.buried()
        except TimeoutError:
            return "closed its socket"
        code = self.process.returncode
        return f"died of {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
