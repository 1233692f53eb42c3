"""The demo's admin in unfold's look: each page is there, and permits what it permits in Django's own."""

import json
import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import RequestFactory

from tests.support.databases import migrated
from tests.support.servers import ROOT, environment
from tests.support.valkey import Valkey
from yredis_project.sidebar import navigation

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


def ways(path: str, *codenames: str) -> dict[str, bool]:
    """Return the links beside a page for somebody with these permissions, and which of them is marked."""
    request = RequestFactory().get(path)
    request.user = User.objects.create_user(uuid4().hex)
    request.user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return {item["link"]: item["active"] for group in navigation(request) for item in group["items"]}


@pytest.mark.django_db
class TestSidebar:
    def test_it_leads_where_somebody_may_go(self):
        assert "/admin/auth/user/" in ways("/admin/", "view_user", "view_segment")
        assert "/admin/yredis_rooms/room/" not in ways("/admin/", "view_user", "view_segment")
        assert ways("/admin/") == {}

    def test_the_way_that_was_taken_is_marked(self):
        found = ways("/admin/yredis_rooms/room/7/change/", "view_room", "view_segment")
        assert found["/admin/yredis_rooms/room/"] is True
        assert found["/admin/yredis_persistence/segment/"] is False


class TestExample:
    """What docs/admin.md tells a site of its own to do."""

    def test_it_runs_and_gives_rooms_unfolds_look(self, tmp_path):
        text = (ROOT / "docs" / "admin.md").read_text()
        examples = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        [example] = [one for one in examples if "unfold" in one]
        proof = "assert isinstance(admin.site.get_model_admin(Room), ModelAdmin)\nassert 'disconnect' in ours.actions"
        env = environment(tmp_path, "redis://127.0.0.1:1/0", {"ADMIN_THEME": "unfold"})
        command = [sys.executable, "-W", "error", "-c", f"import django\ndjango.setup()\n{example}\n{proof}"]
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
