"""Who may enter a room."""

import rooms

if getattr(rooms, "DISTRIBUTION", None) != "django-yredis":
    raise ImportError(f"authbridge needs the package `rooms` of django-yredis, not that in {rooms.__file__}")
