"""A site with rooms and no persistence has an admin for rooms too."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=[
        {apps}, "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
        "django.contrib.messages", "django.contrib.sessions",
    ],
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()
from django.contrib import admin
from rooms.models import Room
print(*(deed.name for deed in admin.site.get_model_admin(Room).deeds()))
"""


def deeds(*apps: str) -> set[str]:
    """Return what can be done to rooms at a site with these of our apps, in this order."""
    script = SCRIPT.format(apps=", ".join(map(repr, apps)))
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_rooms_alone_have_the_deeds_that_need_no_store_of_segments() -> None:
    assert deeds("rooms") >= {"disconnect", "export"}
    assert not deeds("rooms") & {"persist_now", "compact"}


def test_persistence_adds_its_own_whichever_comes_first() -> None:
    assert deeds("rooms", "persistence") == deeds("persistence", "rooms") == deeds("rooms") | {"persist_now", "compact"}
