"""The durable side of rooms."""

import rooms

if getattr(rooms, "DISTRIBUTION", None) != "django-yredis":
    raise ImportError(f"persistence needs the package `rooms` of django-yredis, not that in {rooms.__file__}")
