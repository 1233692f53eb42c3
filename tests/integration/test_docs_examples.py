"""The examples of docs/api.md, each run as a script of its own against a real Redis."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import environment
from tests.support.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE | re.DOTALL)

SCRIPT = """
import ast, asyncio, django, sys
django.setup()
code = compile(sys.stdin.read(), "docs/api.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
result = eval(code)
if result is not None:
    async def main(): await result
    asyncio.run(main())
"""
"""Runs an example with `await` in a loop, one without in none."""


@pytest.fixture
def env(tmp_path: Path, sqlite_template: Path) -> Iterator[dict[str, str]]:
    """The environment of a script with a Redis and a database of its own."""
    shutil.copy(sqlite_template, tmp_path / "db.sqlite3")
    redis = Valkey(tmp_path / "redis")
    redis.start()
    yield environment(tmp_path, redis.url, {"LOG_LEVEL": "WARNING", "YREDIS_ACCEPT_LOG": ""})
    redis.kill()


class TestApi:
    def test_there_are_examples(self):
        assert len(EXAMPLES) > 4

    @pytest.mark.parametrize("example", EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
    def test_the_example_runs_and_leaves_nothing_to_warn_of(self, example, env):
        command = [sys.executable, "-W", "error", "-c", SCRIPT]
        done = subprocess.run(command, input=example, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
