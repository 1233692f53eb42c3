"""Who may enter a room of the demo site: everybody, if its name begins with "demo-"; nobody else."""

from typing import Any

from rooms.errors import AccessDenied
from rooms.grants import Access, Grant

OPEN_TO_ALL = "demo-"


async def demo_rooms(scope: dict[str, Any], room: str) -> Grant:
    """Grant writing in a room that is open to all; raise AccessDenied for any other."""
    if not room.startswith(OPEN_TO_ALL):
        raise AccessDenied(f"only rooms named {OPEN_TO_ALL}... are open")
    return Grant(user_id=None, display_name="", room=room, access=Access.WRITE)
