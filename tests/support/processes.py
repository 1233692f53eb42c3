"""Processes that a test starts: each has a log file and ends with the test run, even with one that was killed."""

import contextlib
import ctypes
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def end_with_parent() -> None:
    """Ask the kernel, in the child before exec, for a SIGKILL when the thread that started it ends.

    Start processes from the main thread: a worker thread's end would kill them too.
    """
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Process:
    """A program with its log in a file; it can be started again, on the same port, after it was killed."""

    start_seconds = 30.0
    user: str | None = None
    """Whom it runs as, where the tests run as root; None for root too."""

    def __init__(self, command: Sequence[str], *, log: Path, port: int, env: Mapping[str, str] | None = None) -> None:
        self.command = list(command)
        self.log = log
        self.port = port
        self.env = env
        self.popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running process."""
        assert self.popen is not None, f"{self.command[0]} was not started"
        return self.popen.pid

    @property
    def running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self.popen is not None and self.popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The code that it ended with, minus a signal's number if that ended it; None while it runs."""
        return self.popen.poll() if self.popen else None

    def launch(self) -> None:
        """Start the process without waiting until it listens."""
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.command,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,  # after `user`: a change of users would undo it
                user=self.user,
            )

    def start(self) -> None:
        """Start the process and return when it listens on its port."""
        self.launch()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Return when the process listens; raise with the end of its log if it ended or took too long."""
        deadline = time.monotonic() + self.start_seconds
        while not accepts(self.port):
            if not self.running or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(self.command)} does not listen:\n{self.log_tail()}")
            time.sleep(0.02)

    def wait_end(self, seconds: float = 30.0) -> None:
        """Return when the process has ended by itself; raise TimeoutExpired if it hasn't in time."""
        assert self.popen is not None, f"{self.command[0]} was not started"
        self.popen.wait(seconds)

    def log_tail(self, lines: int = 40) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def kill(self) -> None:
        """Kill -9 and wait until it is gone."""
        self._end_by(signal.SIGKILL)

    def terminate(self, seconds: float = 15.0) -> None:
        """Ask it to end by SIGTERM; kill it after `seconds`."""
        self._end_by(signal.SIGTERM, seconds)

    def _end_by(self, number: signal.Signals, seconds: float = 15.0) -> None:
        if self.popen is None:
            return
        self.popen.send_signal(number)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def freeze(self) -> None:
        """SIGSTOP: it holds its sockets and answers nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT after freeze()."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.popen is not None, f"{self.command[0]} was not started"
        self.popen.send_signal(number)
