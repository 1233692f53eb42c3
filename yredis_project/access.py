"""Who may enter a room of the demo site, as authbridge asks: by the first word of its name."""

from typing import Any

from authbridge.policy import by_permissions
from rooms.grants import Access

OPEN_TO_ALL = "demo-"
FOR_THE_TEAM = "team-"


async def by_name(user: Any, room: str) -> Access:
    """Let everybody write in demo-..., and let Django's permissions decide about team-...; nobody enters any other."""
    if room.startswith(OPEN_TO_ALL):
        return Access.WRITE
    if room.startswith(FOR_THE_TEAM):
        return await by_permissions(user, room)
    return Access.NONE
