"""The histories: made by Node once for each state of the scripts here, kept under .data/, read by tests."""

import base64
import fcntl
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rooms.scan import Ranges
from tests.support.node import environment, folder_of_node

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent.parent / ".data" / "corpus"
COUNT = 2100
"""Histories; a seed each, from 1."""


@dataclass(frozen=True, slots=True)
class Described:
    """An update and what Yjs says of it."""

    update: bytes
    structs: Ranges
    deletes: Ranges
    state_vector: dict[int, int]


@dataclass(frozen=True, slots=True)
class History:
    """Some peers' edits of one document; `content` is what a Yjs document says that got all updates, as JSON."""

    seed: int
    kind: str
    updates: list[Described]
    final: Described
    content: object


@cache
def histories() -> list[History]:
    """Return all histories; the first call after a change of the scripts takes some seconds.

    Raises:
        RuntimeError: there is no Node, or it failed.
    """
    with (_made() / "histories.jsonl").open() as lines:
        return [_history(json.loads(line)) for line in lines]


def replayed(rooms: list[list[bytes]]) -> list[tuple[object, dict[int, int]]]:
    """Return content and state vector of one fresh Yjs document for each list of updates."""
    lines = [json.dumps({"updates": [base64.b64encode(update).decode() for update in updates]}) for updates in rooms]
    printed = _node(_made(), "replay.js", stdin="\n".join(lines)).splitlines()
    return [(said["content"], _clocks(said["vector"])) for said in map(json.loads, printed)]


def _history(said: dict[str, Any]) -> History:
    updates = [_described(each) for each in said["updates"]]
    return History(said["seed"], said["kind"], updates, _described(said["final"]), said["content"])


def _described(said: dict[str, Any]) -> Described:
    update = base64.b64decode(said["update"])
    return Described(update, _ranges(said["structs"]), _ranges(said["deletes"]), _clocks(said["vector"]))


def _ranges(said: dict[str, list[list[int]]]) -> Ranges:
    return {int(client): [(start, end) for start, end in ranges] for client, ranges in said.items()}


def _clocks(said: dict[str, int]) -> dict[int, int]:
    return {int(client): clock for client, clock in said.items()}


def _made() -> Path:
    """Return a folder with the scripts, their packages and the histories; several processes may ask at once."""
    sources = [HERE / "package.json", HERE / "package-lock.json", *sorted((HERE / "src").glob("*.js"))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    folder = CACHE / f"{digest}-{COUNT}"
    with _locked():
        if not (folder / "histories.jsonl").exists():
            for old in CACHE.glob("*/"):
                shutil.rmtree(old)
            _make(CACHE / "unfinished")
            (CACHE / "unfinished").rename(folder)
    return folder


def _make(folder: Path) -> None:
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    _run([str(folder_of_node() / "npm"), "ci"], folder)
    (folder / "histories.jsonl").write_text(_node(folder, "generate.js", str(COUNT)))


@contextmanager
def _locked() -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _node(folder: Path, script: str, *arguments: str, stdin: str = "") -> str:
    return _run([str(folder_of_node() / "node"), f"src/{script}", *arguments], folder, stdin)


def _run(command: list[str], folder: Path, stdin: str = "") -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment(), input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout
