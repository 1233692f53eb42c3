"""What a process has cost: its CPU time and its memory, as Linux tells them."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat from the third on; the second may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _clock(pid: int) -> float:
    """Return seconds of CPU of one process and all its threads: Linux makes a clock id out of any process id."""
    return time.clock_gettime((~pid << 3) | 2)


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                children.setdefault(int(_stat(int(path.name))[1]), []).append(int(path.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return children


def seconds(pid: int) -> float:
    """Return seconds of CPU, user and system, that a process and its descendants have used, ended ones too."""
    children, waiting, total = _children(), [pid], 0.0
    while waiting:
        one = waiting.pop()
        waiting += children.get(one, [])
        ended = sum(map(int, _stat(one)[13:15])) / TICKS
        total += _clock(one) + ended
    return total


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has had resident since it began or since `forget_peak`."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def forget_peak(pid: int) -> None:
    """Let peak_bytes begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Keep this process, and those that it starts in the block for as long as they live, to some cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def shares() -> tuple[set[int], set[int]]:
    """Return the one core for the servers that are measured, and those for all else: the same if there is only one."""
    cores = os.sched_getaffinity(0)
    measured = {min(cores)}
    return measured, cores - measured or cores
