"""A site with Redis and a store for tests of the admin, its staff, and something for every deed to be done to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client

from persistence.models import Quarantined
from rooms import api
from rooms.admin_actions import Deed, DeedAdmin
from rooms.entries import Entry, encode
from rooms.models import Room
from tests.integration.peers import text_update

ROOMS = "/admin/yredis_rooms/room/"
QUARANTINE = "/admin/yredis_persistence/quarantined/"


@dataclass(frozen=True)
class Case:
    """A deed that the admin has: on which list, with which permission, to what, and what is filled in."""

    url: str
    permission: str
    make: Callable[[], Model]
    answers: dict[str, str] = field(default_factory=dict)


def room(text: str = "hello", name: str = "essay") -> Room:
    """Return a room with an update in Redis."""
    assert api.seed_sync(name, text_update(text, 7))
    return Room.objects.get_or_create(name=name)[0]


def quarantined() -> Quarantined:
    """Return an entry in quarantine that can be decoded by now."""
    data = encode(Entry(text_update("healed", 8), user_id="ann"))
    return Quarantined.objects.create(room=room(), entry_id="1-1", data=data, user_id="ann", reason="was poison")


def frozen() -> Room:
    """Return a room that is read-only."""
    one = room()
    api.freeze_sync(one.name)
    return Room.objects.get(pk=one.pk)


def deleted() -> Room:
    """Return a room that is deleted."""
    one = room()
    api.delete_sync(one.name)
    return Room.objects.get(pk=one.pk)


CASES = {
    "disconnect": Case(ROOMS, "kick_room", room),
    "export": Case(ROOMS, "export_room", room, {"deed-format": "json"}),
    "freeze": Case(ROOMS, "freeze_room", room),
    "thaw": Case(ROOMS, "freeze_room", frozen),
    "soft_delete": Case(ROOMS, "softdelete_room", room),
    "restore": Case(ROOMS, "restore_room", deleted),
    "erase": Case(ROOMS, "erase_room", room),
    "persist_now": Case(ROOMS, "persist_room", room),
    "compact": Case(ROOMS, "compact_room", room),
    "release": Case(QUARANTINE, "release_quarantined", quarantined),
    "discard": Case(QUARANTINE, "discard_quarantined", quarantined),
}
"""Every deed of the admin, by name."""


def registered() -> dict[str, tuple[DeedAdmin, Deed]]:
    """Return the deeds that the code has, by name."""
    return {
        deed.name: (model_admin, deed)
        for model_admin in admin.site._registry.values()
        if isinstance(model_admin, DeedAdmin)
        for deed in model_admin.deeds()
    }


def staff(*codenames: str, **options: Any) -> Client:
    """Return the browser of somebody on the staff who has these permissions."""
    user = User.objects.create_user(uuid4().hex, **{"is_staff": True, **options})
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def noted() -> list[tuple[str, str]]:
    """Return names and messages of all that was noted, newest first."""
    return list(LogEntry.objects.order_by("-pk").values_list("object_repr", "change_message"))
