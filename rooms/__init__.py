"""The live side: y-websocket rooms, each one a Redis stream."""

DISTRIBUTION = "django-yredis"
"""`rooms` is a common name: by this the other apps know that they got the right one."""
