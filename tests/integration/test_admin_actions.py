"""Deeds of the admin: each asks first, is noted, does what it says, and nobody does it who may not."""

import json
from typing import Any

import pytest
import redis
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import Model
from django.test import Client
from pycrdt import Doc, Text

from persistence import api as persistence_api
from persistence import ondemand
from persistence.models import Quarantined, Segment
from rooms import api
from rooms.admin import RoomAdmin
from rooms.admin_actions import deed
from rooms.admin_doing import MOST_NAMED
from rooms.admin_export import attachment
from rooms.backend import backend
from rooms.background import run
from rooms.entries import Entry, encode
from rooms.models import Room
from rooms.register import Register
from tests.integration.admin_deeds import CASES, QUARANTINE, ROOMS, noted, quarantined, registered, room, staff
from tests.integration.conftest import Configure
from tests.integration.peers import text_update
from tests.integration.persisting import KEYS, append
from tests.integration.test_api import nested_arrays
from tests.integration.test_worker import POISON
from tests.support.processes import free_port
from tests.support.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)

VIEWS = ("view_room", "view_quarantined")
EVERY_DEED = pytest.mark.parametrize("name", CASES)


@pytest.fixture(autouse=True)
def no_rows_for_new_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let rooms have rows where a test makes them, not a little later; policies are asked for."""
    monkeypatch.setattr(Register, "began", lambda register, room: None)


@pytest.fixture(autouse=True)
def site(valkey: Valkey, configure: Configure) -> None:
    """A site with a Redis, and a store in the test's database; nothing is due by itself within a test."""
    configure(valkey, STORE="persistence.stores.database.DatabaseStore", DEBOUNCE_SECONDS=300, MAX_DELAY_SECONDS=600)


def press(client: Client, name: str, *chosen: Model, confirm: bool = True, **more: Any) -> Any:
    """Choose a deed for some objects, and confirm it."""
    data = {"action": name, "_selected_action": [str(one.pk) for one in chosen]}
    if confirm:
        data |= {"confirmed": str(len(chosen)), **CASES[name].answers}
    return client.post(CASES[name].url, {**data, **more}, follow=True)


class TestPermissions:
    def test_each_deed_of_the_code_has_a_case_here(self) -> None:
        assert {name: found.permission.partition(".")[2] for name, (_, found) in registered().items()} == {
            name: case.permission for name, case in CASES.items()
        }

    @EVERY_DEED
    @pytest.mark.parametrize("who", ["its permission", "a superuser"])
    def test_who_may_is_asked_first_and_then_it_is_done_and_noted(self, name: str, who: str) -> None:
        one, permission = CASES[name].make(), CASES[name].permission
        client = staff(is_superuser=True) if who == "a superuser" else staff(*VIEWS, permission)
        before = str(one)
        asked = press(client, name, one, confirm=False).content.decode()
        assert str(registered()[name][1].question) in asked.replace("&#x27;", "'")
        assert noted() == []
        press(client, name, one)
        assert [what for what, _ in noted()][:1] == [before]

    @pytest.mark.parametrize(
        ("name", "other"),
        [
            (name, other)
            for name, case in CASES.items()
            for other in ["change_room", *sorted({each.permission for each in CASES.values()} - {case.permission})]
        ],
    )
    def test_who_may_see_only_or_do_something_else_can_not(self, name: str, other: str) -> None:
        one, client = CASES[name].make(), staff(*VIEWS, other)
        button = f'value="{name}"'
        assert button not in client.get(CASES[name].url).content.decode()
        assert button not in client.get(f"{CASES[name].url}{one.pk}/change/").content.decode()
        ways = ({}, {"select_across": "1"}, {"index": "0"}, {"back": "yes"})
        for more in ways if other == "change_room" else ways[:1]:
            for confirm in (False, True):
                assert "confirmed" not in press(client, name, one, confirm=confirm, **more).content.decode()
        assert noted() == []

    @EVERY_DEED
    def test_who_may_not_even_see_can_not(self, name: str) -> None:
        one = CASES[name].make()
        assert press(staff(CASES[name].permission), name, one).status_code == 403
        for client in (staff(CASES[name].permission, *VIEWS, is_staff=False), Client()):
            assert "/admin/login/" in press(client, name, one).redirect_chain[0][0]
        assert noted() == []

    @EVERY_DEED
    def test_a_page_of_another_site_can_not(self, name: str) -> None:
        one, client = CASES[name].make(), Client(enforce_csrf_checks=True)
        client.cookies = staff(*VIEWS, CASES[name].permission).cookies
        assert press(client, name, one).status_code == 403
        assert noted() == []

    @EVERY_DEED
    def test_the_objects_page_has_a_button(self, name: str) -> None:
        one = CASES[name].make()
        page = staff(*VIEWS, CASES[name].permission).get(f"{CASES[name].url}{one.pk}/change/").content.decode()
        assert f'<button type="submit" class="button" name="action" value="{name}"' in page


class TestMachinery:
    def test_from_a_rooms_page_one_comes_back_to_it(self) -> None:
        one, client = room(), staff(*VIEWS, "kick_room")
        page = f"{ROOMS}{one.pk}/change/"
        assert f'href="{page}"' in press(client, "disconnect", one, confirm=False, back="yes").content.decode()
        assert press(client, "disconnect", one, back="yes").redirect_chain == [(page, 302)]

    def test_from_the_page_of_what_is_gone_then_one_comes_to_the_list(self) -> None:
        one, client = quarantined(), staff(*VIEWS, "discard_quarantined")
        assert press(client, "discard", one, back="yes").redirect_chain == [(QUARANTINE, 302)]

    def test_what_is_gone_before_it_is_confirmed_leads_to_the_list(self) -> None:
        one, client = quarantined(), staff(*VIEWS, "discard_quarantined")
        Quarantined.objects.all().delete()
        assert press(client, "discard", one, back="yes").redirect_chain == [(QUARANTINE, 302)]
        assert noted() == []

    def test_a_site_whose_requests_are_transactions_does_it_outside_of_them(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        assert "Persisted. (essay)" in press(staff(*VIEWS, "persist_room"), "persist_now", room()).text

    def test_a_list_keeps_its_filters(self) -> None:
        data = {"action": "disconnect", "_selected_action": [room().pk], "confirmed": "1"}
        client = staff(*VIEWS, "kick_room")
        assert client.post(f"{ROOMS}?q=ess", data, follow=True).redirect_chain == [(f"{ROOMS}?q=ess", 302)]

    def test_all_rooms_of_a_list_can_be_chosen_and_some_are_named(self) -> None:
        Room.objects.bulk_create(Room(name=f"room-{number:03}") for number in range(150))
        first, client = Room.objects.earliest("pk"), staff(*VIEWS, "kick_room")
        asked = press(client, "disconnect", first, confirm=False, select_across="1").content.decode()
        assert asked.count("<bdi>") == MOST_NAMED
        assert f"and {150 - MOST_NAMED} more" in asked
        assert asked.count('name="_selected_action"') == 1
        page = press(client, "disconnect", first, select_across="1", confirmed="150").content.decode()
        assert f"and {150 - MOST_NAMED} more" in page
        assert LogEntry.objects.count() == 150

    def test_a_list_that_has_grown_is_asked_about_again(self) -> None:
        Room.objects.bulk_create(Room(name=f"room-{number}") for number in range(3))
        first, client = Room.objects.earliest("pk"), staff(*VIEWS, "kick_room")
        page = press(client, "disconnect", first, select_across="1", confirmed="2").content.decode()
        assert 'name="confirmed" value="3"' in page
        assert noted() == []

    def test_names_are_harmless(self) -> None:
        one = Room.objects.create(name="<script>alert(1)</script>\u202egnp")
        client = staff(*VIEWS, "kick_room")
        for confirm in (False, True):
            page = press(client, "disconnect", one, confirm=confirm).content.decode()
            assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202egnp" in page
            assert "<script>alert" not in page

    def test_what_fails_is_named_with_its_reason_and_the_others_are_done(self) -> None:
        good, bad = room("a", "good"), room("b", "bad")
        persistence_api.persist_sync("bad")
        Segment.objects.update(payload=b"other")
        append_to("bad")
        Room.objects.filter(name="bad").update(damage="as it was found before")
        page = press(staff(*VIEWS, "persist_room"), "persist_now", good, bad).content.decode()
        assert "Persisted. (good)" in page
        assert "Not done for bad: segment " in page
        assert "is damaged: 5 bytes" in page
        assert noted() == [("good", "Persisted.")]

    def test_without_redis_it_is_told(self, configure: Configure, valkey: Valkey) -> None:
        one = room()
        configure(valkey, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
        page = press(staff(*VIEWS, "kick_room"), "disconnect", one).content.decode()
        assert "Not done for essay: " in page
        assert noted() == []
        configure(valkey)

    def test_what_it_does_not_apply_to_is_skipped_and_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        one, other = room("a", "one"), room("b", "other")
        options = {"question": "Sure?", "done": "Done.", "permission": "yredis_rooms.kick_room"}
        picky = deed("Pick", applies=lambda found: found.name == "one", **options)(lambda admin, request, found: None)
        monkeypatch.setattr(RoomAdmin, "disconnect", picky)
        client = staff(*VIEWS, "kick_room")
        assert "does not apply to <bdi>other</bdi>" in press(client, "disconnect", one, other, confirm=False).text
        data = {"action": "disconnect", "_selected_action": [one.pk, other.pk], "confirmed": "1"}
        assert "Pick: does not apply to other." in client.post(ROOMS, data, follow=True).text
        assert noted() == [("one", "Done.")]
        assert 'name="action"' not in client.get(f"{ROOMS}{other.pk}/change/").text


def append_to(name: str) -> None:
    """Write to a room once more."""

    async def write() -> None:
        services = await backend()
        await services.lane.append_and_wait(name, Entry(text_update("more", 9)))

    run(write())


class TestPersistAndCompact:
    def test_what_was_only_in_redis_is_in_the_store(self, redis_of: "redis.Redis") -> None:
        press(staff(*VIEWS, "persist_room"), "persist_now", room())
        assert Segment.objects.count() == 1
        assert not redis_of.exists(KEYS.room("essay"))
        assert noted() == [("essay", "Persisted.")]

    def test_of_a_room_that_a_worker_has_it_is_said(
        self, redis_of: "redis.Redis", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ondemand, "PATIENCE_SECONDS", 0.1)
        one, due = room(), KEYS.due_of("essay")
        redis_of.hset(due.replace(":due", ":lease"), "essay", "7 0 9999999999999")
        page = press(staff(*VIEWS, "persist_room"), "persist_now", one).text
        assert "Not done for essay: a worker has room essay at this moment" in page

    def test_a_chain_becomes_a_snapshot_and_both_sizes_are_noted(self) -> None:
        one = room()
        for _ in range(3):
            persistence_api.persist_sync("essay")
            append_to("essay")
        press(staff(*VIEWS, "compact_room"), "compact", one)
        assert list(Segment.objects.values_list("kind", flat=True)) == ["snapshot"]
        [(_, message)] = noted()
        assert message.startswith("Compacted from ")


class TestExport:
    def file(self, ending: str, name: str = "essay") -> Any:
        """Return the response with a room's document."""
        one = Room.objects.get_or_create(name=name)[0]
        data = {"action": "export", "_selected_action": [one.pk], "confirmed": "1", "deed-format": ending}
        return staff(*VIEWS, "export_room").post(ROOMS, data)

    def test_as_an_update_it_can_be_applied(self) -> None:
        room("hello")
        response, document = self.file("bin"), Doc[Any]()
        document.apply_update(response.content)
        assert str(document.get("text", type=Text)) == "hello"
        assert response["Content-Type"] == "application/octet-stream"

    def test_as_json_it_has_all_roots(self) -> None:
        room("hello")
        response = self.file("json")
        assert json.loads(response.content) == {"text": {"kind": "text", "content": [{"insert": "hello"}]}}
        assert response["Content-Type"] == "application/json"

    def test_as_text_it_is_the_text(self) -> None:
        room("<b>hello</b> 🙂")
        response = self.file("txt")
        assert response.content.decode() == "<b>hello</b> 🙂"
        assert response["Content-Type"] == "text/plain; charset=utf-8"

    def test_it_is_a_download_that_is_kept_nowhere(self) -> None:
        room()
        response = self.file("txt")
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in response["Cache-Control"]
        assert response["Content-Disposition"] == "attachment; filename=\"essay.txt\"; filename*=UTF-8''essay.txt"
        assert noted() == [("essay", "The document was exported.")]

    @pytest.mark.parametrize(
        ("name", "ascii_only", "in_full"),
        [
            ('a/"b\\c', "a__b_c.bin", "a__b_c.bin"),
            ("über 🙂", "_ber__.bin", "%C3%BCber__.bin"),
            ("../../etc", "_.._etc.bin", "_.._etc.bin"),
            ("\u202egnp", "_gnp.bin", "_gnp.bin"),
            ("...", "room.bin", "room.bin"),
            ("語" * 85, "_" * 60 + ".bin", "%E8%AA%9E" * 60 + ".bin"),
        ],
    )
    def test_whatever_the_name_the_files_name_is_one(self, name: str, ascii_only: str, in_full: str) -> None:
        assert attachment(name, "bin") == f"attachment; filename=\"{ascii_only}\"; filename*=UTF-8''{in_full}"

    def test_a_format_must_be_chosen(self) -> None:
        room()
        assert "Select a valid choice" in self.file("exe").text
        assert noted() == []

    def test_one_that_kills_the_decoder_is_said_so(self, redis_of: "redis.Redis") -> None:
        append(redis_of, "essay", encode(Entry(nested_arrays(100_000))))
        response = self.file("json")
        assert response.status_code == 302
        assert noted() == []
        page = press(staff(*VIEWS, "export_room"), "export", Room.objects.get()).text
        assert "Not done for essay: as_json: the compute child" in page

    def test_several_at_a_time_are_refused(self) -> None:
        page = press(staff(*VIEWS, "export_room"), "export", room("a", "one"), room("b", "other")).text
        assert "Export: choose one at a time." in page


class TestQuarantine:
    def poison(self) -> Quarantined:
        """Return an entry that still is poison."""
        data = encode(Entry(POISON, user_id="<i>ann</i>"))
        one = room()
        Room.objects.update(quarantined=1)
        return Quarantined.objects.create(
            room=one, entry_id="1-1", data=data, user_id="<i>ann</i>", reason="<b>bad</b>"
        )

    def test_it_is_listed_and_shown_with_its_bytes_harmlessly(self) -> None:
        one, client = self.poison(), staff(*VIEWS)
        for url in (QUARANTINE, f"{QUARANTINE}{one.pk}/change/", f"{QUARANTINE}?q=ess", f"{QUARANTINE}?o=5"):
            page = client.get(url).text
            assert "&lt;b&gt;bad&lt;/b&gt;" in page
            assert "&lt;i&gt;ann&lt;/i&gt;" in page
            assert "<b>bad" not in page
        assert bytes(one.data)[:16].hex(" ") in client.get(f"{QUARANTINE}{one.pk}/change/").text

    def test_of_a_large_one_the_beginning_is_shown(self) -> None:
        one = self.poison()
        Quarantined.objects.update(data=bytes(range(256)) * 40_000)
        page = staff(*VIEWS).get(f"{QUARANTINE}{one.pk}/change/").text
        assert "01f0  f0 f1 f2" in page
        assert "0200  " not in page
        assert "9.8\xa0MB" in page

    def test_what_can_be_decoded_by_now_is_in_the_room_again(self) -> None:
        press(staff(*VIEWS, "release_quarantined"), "release", quarantined())
        assert "healed" in api.text_sync("essay", "text")
        assert not Quarantined.objects.exists()

    def test_what_is_still_poison_stays_and_it_is_said_why(self) -> None:
        page = press(staff(*VIEWS, "release_quarantined"), "release", self.poison()).text
        assert "It still can&#x27;t be decoded: " in page
        assert Quarantined.objects.exists()
        assert noted() == []

    def test_what_is_discarded_is_gone_and_the_room_is_well(self) -> None:
        press(staff(*VIEWS, "discard_quarantined"), "discard", self.poison())
        assert next(message for what, message in noted() if what == "essay").startswith("Discarded ")
        assert not Quarantined.objects.exists()
        assert Room.objects.get().state == Room.State.OK

    @pytest.mark.parametrize("page", ["add/", "1/delete/"])
    def test_it_can_not_be_changed_otherwise(self, page: str) -> None:
        assert staff(is_superuser=True).post(f"{QUARANTINE}{page}", {"post": "yes"}).status_code == 403


class TestRoomsPage:
    def test_it_lists_segments_and_quarantine_for_who_may_see_them(self) -> None:
        one = quarantined().room
        persistence_api.persist_sync("essay")
        page = staff(*VIEWS, "view_segment").get(f"{ROOMS}{one.pk}/change/").text
        for text in (
            "in the database",
            "was poison",
            f"segment/?room__id__exact={one.pk}",
            "quarantined/?room__id__exact",
        ):
            assert text in page
        page = staff("view_room").get(f"{ROOMS}{one.pk}/change/").text
        assert "in the database" not in page
        assert "was poison" not in page

    def test_the_links_lead_to_the_rooms_own(self) -> None:
        one = quarantined().room
        persistence_api.persist_sync("essay")
        other = room("b", "other")
        client = staff(*VIEWS, "view_segment")
        for model in ("segment", "quarantined"):
            url = f"/admin/yredis_persistence/{model}/?room__id__exact="
            assert '<p class="paginator">\n\n1 ' in client.get(f"{url}{one.pk}").text
            assert '<p class="paginator">\n\n0 ' in client.get(f"{url}{other.pk}").text
