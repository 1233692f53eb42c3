"""The demo's admin in unfold's look: each page is there, and permits what it permits in Django's own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.databases import migrated
from tests.support.servers import ROOT, environment
from tests.support.valkey import Valkey

THEMES = ("plain", "unfold")


@pytest.fixture(scope="module")
def walked(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, int]]:
    """What each page answers in each look."""
    return {theme: walk(tmp_path_factory.mktemp(theme), valkey, theme) for theme in THEMES}


def walk(folder: Path, valkey: Valkey, theme: str) -> dict[str, int]:
    """Return what each page of the admin answers in a process of its own, with rows of its own."""
    given = {"DATABASE_URL": migrated(folder / "db.sqlite3"), "ADMIN_THEME": theme, "ALLOWED_HOSTS": "testserver"}
    env = environment(folder, valkey.url, given)
    command = [sys.executable, "-m", "tests.support.admin_walk"]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_every_page_answers(walked):
    pages = walked["unfold"]
    assert {page: status for page, status in pages.items() if status not in (200, 302, 403, 405)} == {}
    assert pages["GET /admin/yredis_rooms/room/"] == 200
    assert pages["GET /admin/yredis_rooms/room/1/change/"] == 200
    assert pages["POST /admin/yredis_rooms/room/ disconnect"] == 200


def test_nothing_is_permitted_that_is_refused_in_the_plain_admin(walked):
    assert walked["unfold"] == walked["plain"]
