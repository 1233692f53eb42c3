"""Django signals that a server process sends when somebody takes or leaves a place in a room."""

from django.dispatch import Signal

room_joined = Signal()
"""Sent with sender=Room, room (its canonical name), user_id (None for somebody unknown), access and connection_id."""

room_left = Signal()
"""Sent with the same when the connection is gone, or was closed."""
