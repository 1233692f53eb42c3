"""One compute child: reads requests from its standard input, a socket, and answers each on the same socket.

The process is meant to be killed: by its memory limit, by its own alarm clock, by hostile bytes. It holds nothing
that matters, and it ends when the parent's end of the socket closes.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import PathFinder
from types import ModuleType
from typing import BinaryIO

from rooms import compute_frames
from rooms.errors import Undecodable

Operations = Mapping[str, Callable[[Sequence[bytes]], list[bytes]]]


def main() -> None:
    """Serve until standard input closes. Arguments: limit of memory in bytes, of one request in seconds."""
    memory_bytes, timeout_seconds = int(sys.argv[1]), float(sys.argv[2])
    skip_package("pycrdt")
    from rooms.compute_operations import OPERATIONS  # before silence(): a failing import is seen on standard error

    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(0), "wb")
    silence()
    limit(memory_bytes)
    try:
        send(replies, [b""])
        while serve(requests, replies, OPERATIONS, timeout_seconds):
            pass
    except OSError:
        sys.exit(0)  # the parent has gone


def skip_package(name: str) -> None:
    """Let modules of the package `name` be imported without its own __init__: pycrdt's takes 100 ms of 130."""
    spec = PathFinder.find_spec(name)
    if spec and spec.submodule_search_locations:
        package = ModuleType(name)
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules[name] = package


def silence() -> None:
    """Point the standard streams nowhere: a panic prints what may be a document's text."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)


def limit(memory_bytes: int) -> None:
    """Let no request take more memory, leave a core file, or outlive its alarm."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere the kernel refuses or ignores it
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        allowed = memory_bytes if most == resource.RLIM_INFINITY else min(memory_bytes, most)
        resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))


def serve(requests: BinaryIO, replies: BinaryIO, operations: Operations, timeout_seconds: float) -> bool:
    """Answer one request; return False at the end of the input.

    The alarm kills this process even if the parent, which keeps the same time, was killed meanwhile.
    """
    parts = receive(requests)
    if parts:
        signal.setitimer(signal.ITIMER_REAL, timeout_seconds)
        send(replies, answer(parts, operations))
        signal.setitimer(signal.ITIMER_REAL, 0)
    return bool(parts)


def answer(parts: list[bytes], operations: Operations) -> list[bytes]:
    """Return the parts of the reply to a request."""
    operation, *rest = parts
    try:
        return [b"", *operations[operation.decode()](rest)]
    except Undecodable as error:
        return [str(error).encode(errors="replace")]
    except MemoryError:
        return [operation + b": over the memory limit"]


def receive(stream: BinaryIO) -> list[bytes]:
    """Read one frame; return no parts if the stream ends before or inside it."""
    start = stream.read(compute_frames.COUNT.size)
    if len(start) < compute_frames.COUNT.size:
        return []
    expected = compute_frames.LENGTH_BYTES * compute_frames.count(start)
    rest = stream.read(expected)
    if len(rest) < expected:
        return []
    lengths = compute_frames.lengths(rest)
    parts = [stream.read(length) for length in lengths]
    return parts if sum(map(len, parts)) == sum(lengths) else []


def send(stream: BinaryIO, parts: list[bytes]) -> None:
    """Write one frame."""
    for piece in compute_frames.pieces(parts):
        stream.write(piece)
    stream.flush()
