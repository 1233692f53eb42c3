"""Processes of a measurement: they take a command a line and answer each with a line of JSON."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

from tests.support.processes import end_with_parent

Answer = dict[str, Any]


class Child:
    """The parent's side: a process that runs a module of this package. It ends with the `with` block."""

    def __init__(self, module: str, *arguments: object, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"bench.{module}", *map(str, arguments)],
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=end_with_parent,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def ask(self, command: str, *arguments: object) -> Answer:
        """Send a command and wait for its answer; raise RuntimeError if the process ends instead."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join((command, *map(str, arguments))) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        answer: Answer = json.loads(line)
        return answer


Command = Callable[..., Awaitable[Answer]]


async def serve(commands: Mapping[str, Command]) -> None:
    """The child's side: answer commands until standard input is closed. Arguments arrive as text."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode():
        name, *arguments = line.split()
        print(json.dumps(await commands[name](*arguments)), flush=True)
