"""The admin at sites that are not as ours is: another AdminSite or database, no time zones, odd names."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin import AdminSite, ModelAdmin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.urls import path

from persistence import api as persistence_api
from persistence.admin_rooms import PersistedRoomAdmin
from persistence.models import Quarantined
from rooms.models import Room
from tests.integration.admin_deeds import QUARANTINE, ROOMS, noted, room, staff
from tests.integration.peers import text_update
from tests.integration.test_admin_actions import VIEWS, press
from tests.integration.test_admin_actions import no_rows_for_new_rooms as no_rows_for_new_rooms
from tests.integration.test_admin_actions import site as site
from yredis_project.env import database

pytestmark = pytest.mark.django_db(transaction=True)

OFFICE = "/office/yredis_rooms/room/"
TURNED = "invoice\u202egnp.exe"
SPELLED = "invoice\\u202egnp.exe"


@pytest.fixture
def urls(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let a site have these admin sites, each under its name."""

    def served(*sites: AdminSite) -> None:
        module: Any = ModuleType("urls_of_one_test")
        module.urlpatterns = [path(f"{each.name}/", each.urls) for each in sites]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        settings.ROOT_URLCONF = module.__name__

    return served


class TestAnotherAdminSite:
    def test_rooms_may_have_a_plain_model_admin_there(self, urls: Any) -> None:
        office = AdminSite("office")
        office.register(Room, ModelAdmin)
        urls(office)
        client, one = staff("view_room"), Room.objects.create(name="essay")
        assert "essay" in client.get(OFFICE).text
        assert "essay" in client.get(f"{OFFICE}{one.pk}/change/").text

    def test_rooms_may_be_all_it_has_of_ours(self, urls: Any) -> None:
        office = AdminSite("office")
        office.register(Room, PersistedRoomAdmin)
        urls(office)
        client, one = staff("view_room", "view_segment"), room()
        persistence_api.persist_sync("essay")
        page = client.get(f"{OFFICE}{one.pk}/change/").text
        assert ("in the database" in page, "Show all" in page) == (True, False)
        assert f'href="{OFFICE}overview/"' in client.get(OFFICE).text


class Router:
    """What is ours is in another database."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        """Return it for our models."""
        return self.alias if model._meta.app_label.startswith("yredis") else None

    db_for_write = db_for_read

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        """Return whether two rows may belong together."""
        return True


@pytest.fixture
def other_database(
    settings: Any, urls: Any, sqlite_template: Path, tmp_path: Path, django_db_blocker: Any
) -> Iterator[None]:
    """A site with rooms in another database, whose requests are transactions."""
    alias = tmp_path.name  # threads of the pool keep their connections to that of the test before
    given = database({"ENGINE": "django.db.backends.sqlite3", "NAME": shutil.copy(sqlite_template, tmp_path / "other")})
    given |= {"ATOMIC_REQUESTS": True, "OPTIONS": {**given["OPTIONS"], "timeout": 1}}
    connections.settings[alias] = connections.configure_settings({"default": given})["default"]
    settings.DATABASE_ROUTERS = [Router(alias)]
    urls(admin.site)
    with django_db_blocker.unblock():
        yield
    connections[alias].close()
    del connections[alias], connections.settings[alias]


@pytest.mark.usefixtures("other_database")
class TestAnotherDatabase:
    @pytest.mark.parametrize(("name", "permission"), [("persist_now", "persist_room"), ("freeze", "freeze_room")])
    def test_deeds_are_outside_of_its_transactions(self, name: str, permission: str) -> None:
        one = room()
        page = press(staff(*VIEWS, permission), name, one).text
        assert ("(essay)" in page, "Not done" in page, len(noted())) == (True, False, 1)

    def test_an_import_is_too(self) -> None:
        data = {"room": "essay", "file": SimpleUploadedFile("document.bin", text_update("hello", 7))}
        page = staff("view_room", "import_room").post(f"{ROOMS}import/", data, follow=True).text
        assert "Imported a document of" in page


def test_without_time_zones_tables_and_charts_are_there(settings: Any) -> None:
    one = room()
    persistence_api.persist_sync("essay")
    Quarantined.objects.create(room=one, entry_id="1-1", data=b"x", reason="was poison")
    settings.USE_TZ = False
    page = staff(*VIEWS, "view_segment").get(f"{ROOMS}{one.pk}/change/").text
    assert ("in the database" in page, "was poison" in page, "updates an hour" in page) == (True, True, True)


class TestNamesThatTurnTheLineAround:
    @pytest.fixture
    def pages(self) -> dict[str, str]:
        """Every page of the admin that tells of such a room, to which something was done."""
        one = room(name=TURNED)
        persistence_api.persist_sync(TURNED)
        row = Quarantined.objects.create(room=one, entry_id="1-1", data=b"x", reason=f"\u202e{TURNED}", user_id=TURNED)
        client = staff(*VIEWS, "view_segment", "kick_room")
        press(client, "disconnect", one)
        segment = one.segments.get()
        urls = [ROOMS, f"{ROOMS}{one.pk}/change/", f"{ROOMS}{one.pk}/history/", "/admin/", QUARANTINE]
        urls += [f"{QUARANTINE}{row.pk}/change/", (base := "/admin/yredis_persistence/segment/")]
        return {url: client.get(url).text for url in [*urls, f"{base}{segment.pk}/change/"]}

    def test_are_spelled_out_everywhere(self, pages: dict[str, str]) -> None:
        assert [url for url, page in pages.items() if "\u202e" in page] == []
        assert [url for url, page in pages.items() if SPELLED not in page] == []

    def test_are_still_found_sorted_and_led_from_the_list_to_the_page(self) -> None:
        one = room(name=TURNED)
        page = staff("view_room").get(ROOMS, {"q": "gnp", "o": "1"}).text
        assert f'/change/?_changelist_filters=q%3Dgnp%26o%3D1">{SPELLED}</a>' in page
        assert f"{ROOMS}{one.pk}/change/" in page
        assert "sortable column-visible_name" in page
