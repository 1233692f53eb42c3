"""What a site with django-guardian does: it gives a user rights on some rooms, and takes one back."""

import asyncio
import json
import time
from typing import Any

from django.contrib.auth import get_user_model
from guardian.shortcuts import assign_perm, remove_perm

from authbridge.decisions import decided
from authbridge.identity import unchanging
from authbridge.soon import settle
from rooms.models import Room

ROOMS = ("essay", "notes", "unknown")


def access_of(name: str) -> list[str]:
    """Return what a user may do in the rooms now."""
    user = unchanging(get_user_model().objects.get(username=name))

    async def all_of_them() -> list[str]:
        return [(await decided(user, room, known_at=time.monotonic())).value for room in ROOMS]

    return asyncio.run(all_of_them())


def main() -> None:
    """Do it, and print what the user may do before, with the rights, and after."""
    user: Any = get_user_model().objects.create_user("ada")
    essay, notes = (Room.objects.create(name=name) for name in ROOMS[:2])
    told = {"user": str(user.pk), "before": access_of("ada")}
    assign_perm("view_room", user, essay)
    assign_perm("change_room", user, notes)
    told["granted"] = access_of("ada")
    settle()
    time.sleep(0.1)
    remove_perm("change_room", user, notes)
    told["removed"] = access_of("ada")
    print(json.dumps(told))
