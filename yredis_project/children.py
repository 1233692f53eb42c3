"""Child processes that never outlive this one, however it ends."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def dying_with_its_parent(by: signal.Signals) -> Callable[[], None] | None:
    """Return what a child runs before its program: Linux is asked to send it `by` when its parent has died.

    None elsewhere: there a parent that is killed (-9) leaves its children.
    """
    if sys.platform != "linux":
        return None
    parent = os.getpid()

    def ask() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, by)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask


class Child:
    """A program that is started, watched and stopped from the main thread.

    It has a process group of its own: Ctrl-C at a terminal reaches the parent alone, which then stops its children
    in the right order.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        orphaned_by: signal.Signals = signal.SIGKILL,
        keeps_open: Iterable[int] = (),
    ) -> None:
        """Describe a child; start() makes it run.

        Args:
            orphaned_by: the signal that it gets when this process dies.
            keeps_open: file descriptors that it holds for as long as it runs: locks.
        """
        self.name = name
        self.command = list(command)
        self.env = env
        self.orphaned_by = orphaned_by
        self.keeps_open = tuple(keeps_open)
        self.started_at = 0.0
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the program, for the first time or once more."""
        self.started_at = time.monotonic()
        self.popen = subprocess.Popen(
            self.command,
            env=self.env,
            stdin=subprocess.DEVNULL,
            pass_fds=self.keeps_open,
            process_group=0,
            preexec_fn=dying_with_its_parent(self.orphaned_by),
        )

    @property
    def age_seconds(self) -> float:
        """How long ago the program was started."""
        return time.monotonic() - self.started_at

    def exit_code(self) -> int | None:
        """Return the code that it ended with, minus a signal's number if that ended it; None while it runs."""
        return self.popen.poll() if self.popen else None

    def ask_to_stop(self) -> None:
        """Send SIGTERM, if it runs."""
        if self.popen:
            self.popen.terminate()

    def stop(self, *, within_seconds: float) -> None:
        """Return when it has ended; kill it after `within_seconds`."""
        if self.popen is None:
            return
        self.ask_to_stop()
        try:
            self.popen.wait(within_seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
