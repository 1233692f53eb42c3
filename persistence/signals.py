"""Django signals that a worker sends after a commit, in a thread, at least once: after a crash perhaps again."""

from django.dispatch import Signal

room_persisted = Signal()
"""Sent with sender=Room, room (its canonical name), entries (how many) and bytes (of them): they are in the store."""

room_changed = Signal()
"""Sent with sender=Room and room (its canonical name): its document is another one than before."""
