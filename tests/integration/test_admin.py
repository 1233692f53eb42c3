"""Rooms and segments in the plain Django admin: shown, and not to be changed there."""

from hashlib import sha256

import pytest
from django.test import Client

from persistence.models import Segment
from rooms.models import Room

pytestmark = pytest.mark.django_db


def segment(room: Room, payload: bytes = b"<b>payload</b>") -> Segment:
    """Return a segment of a room."""
    return Segment.objects.create(
        room=room,
        kind=Segment.Kind.DELTA,
        first_entry_id="1-0",
        last_entry_id="2-0",
        fence=1,
        entries=2,
        byte_size=len(payload),
        sha256=sha256(payload).hexdigest(),
        payload=payload,
    )


@pytest.mark.parametrize("name", ["essay", "<script>alert(1)</script>", "über/uns %2F 🙂"])
def test_rooms_are_listed_with_what_is_wrong_with_them(admin_client: Client, name: str) -> None:
    Room.objects.create(name=name, failures=3, last_error="<i>503 Slow Down</i>")
    page = admin_client.get("/admin/yredis_rooms/room/").content.decode()
    assert "&lt;i&gt;503 Slow Down&lt;/i&gt;" in page
    assert "failing" in page
    assert "<script>alert" not in page


def test_rooms_are_found_by_name_and_by_state(admin_client: Client) -> None:
    Room.objects.create(name="essay")
    Room.objects.create(name="other", has_gap=True)
    found = admin_client.get("/admin/yredis_rooms/room/?q=ess").content.decode()
    assert ("essay" in found, ">other<" in found) == (True, False)
    found = admin_client.get("/admin/yredis_rooms/room/?state__exact=gap").content.decode()
    assert (">essay<" in found, "other" in found) == (False, True)


def test_a_room_has_a_page_and_nothing_on_it_can_be_changed(admin_client: Client) -> None:
    room = Room.objects.create(name="essay", damage="segment 7 is missing")
    url = f"/admin/yredis_rooms/room/{room.pk}/change/"
    assert "segment 7 is missing" in admin_client.get(url).content.decode()
    assert admin_client.post(url, {"name": "other"}).status_code == 403
    assert admin_client.post(f"/admin/yredis_rooms/room/{room.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Room.objects.get().name == "essay"


def test_segments_are_listed_and_shown_without_their_bytes(admin_client: Client) -> None:
    one = segment(Room.objects.create(name="essay"))
    for url in ("/admin/yredis_persistence/segment/", f"/admin/yredis_persistence/segment/{one.pk}/change/"):
        page = admin_client.get(url).content.decode()
        assert "essay" in page
        assert "payload" not in page
    assert admin_client.post(f"/admin/yredis_persistence/segment/{one.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_state_of_a_room_is_the_worst_that_holds() -> None:
    room = Room.objects.create(name="essay")
    for changes, state in [
        ({}, Room.State.OK),
        ({"is_verbatim": True}, Room.State.VERBATIM),
        ({"has_gap": True}, Room.State.GAP),
        ({"quarantined": 1}, Room.State.QUARANTINED),
        ({"failures": 1}, Room.State.FAILING),
        ({"failures": 0, "damage": "gone"}, Room.State.FAILING),
    ]:
        Room.objects.filter(pk=room.pk).update(**changes)
        room.refresh_from_db()
        assert room.state == state
