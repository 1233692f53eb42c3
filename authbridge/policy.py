"""What a known user may do in a room, by Django's permissions."""

from typing import Any

from rooms import pool
from rooms.grants import Access
from rooms.models import Room

READ = "yredis_rooms.view_room"
WRITE = "yredis_rooms.change_room"


async def by_permissions(user: Any, room: str) -> Access:
    """Return what a user's permissions say: for all rooms, or by an object-permission backend for this one.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    return await pool.run(_access, user, room)


def _access(user: Any, name: str) -> Access:
    room = Room.objects.filter(name=name).first() or Room(name=name)
    for permission, access in ((WRITE, Access.WRITE), (READ, Access.READ)):
        if user.has_perm(permission) or user.has_perm(permission, room):
            return access
    return Access.NONE
