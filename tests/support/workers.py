"""Workers that a test starts: `manage.py runpersistence` as a process, with environment and failpoints."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import psutil

from tests.support.processes import Process, free_port
from yredis_project.servers import worker_command

QUICK = {"YREDIS_DEBOUNCE_SECONDS": "0.2", "YREDIS_MAX_DELAY_SECONDS": "1", "YREDIS_LEASE_SECONDS": "3"}
"""Settings with which a test need not wait; servers of the same site need them too: an append makes the task."""


class Worker(Process):
    """One worker process. It is ready when its probe answers; start() after kill() comes back on the same port.

    Args:
        env: of a site's servers (tests.support.servers.environment), whose database has been migrated.
        failpoints: as YREDIS_FAILPOINTS has them: "worker.committed=kill@3".
    """

    def __init__(
        self, folder: Path, *options: str, name: str = "worker", env: Mapping[str, str], failpoints: str = ""
    ) -> None:
        port = free_port()
        command = worker_command("--health-port", str(port), *options)
        given = {**env, "YREDIS_FAILPOINTS": failpoints} if failpoints else dict(env)
        super().__init__(command, log=folder / f"{name}.log", port=port, env=given)

    def fail_at(self, failpoints: str) -> None:
        """Choose the failpoints of the next start; "" for none."""
        assert self.env is not None
        self.env = {key: value for key, value in self.env.items() if key != "YREDIS_FAILPOINTS"}
        if failpoints:
            self.env = {**self.env, "YREDIS_FAILPOINTS": failpoints}

    def wait_stopped(self, seconds: float = 20.0) -> None:
        """Return when the process stands still (SIGSTOP)."""
        deadline = time.monotonic() + seconds
        while psutil.Process(self.pid).status() != psutil.STATUS_STOPPED:
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not stop:\n{self.log_tail()}")
            time.sleep(0.02)

    def health(self) -> int:
        """Return what its probe answers: 200 or 503."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as answer:
                json.load(answer)
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def says(self, text: str) -> bool:
        """Tell whether something stands in its log."""
        return self.log.exists() and text in self.log.read_text(errors="replace")
