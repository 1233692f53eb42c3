"""The webhook's outbox: one row for each room that the receiver has to be told of, written with what it is to hear.

Any number of workers takes from it. Whoever moves a row's due time ahead has it until then. Everything here blocks
and runs in the pool.
"""

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from persistence.models import Delivery
from persistence.transactions import atomic

CANDIDATES = 32
"""Several workers that look at the same time rarely want the same of so many."""

REASON_CHARACTERS = 1000


class Parcel(NamedTuple):
    """A row that is ours until `until`, as it was when it was claimed; `attempts` failed before."""

    pk: int
    room: str
    version: int
    attempts: int
    until: datetime

    @property
    def delivery_id(self) -> str:
        """What a receiver can know a repetition by: another version of a room has another."""
        return f"{self.pk}.{self.version}"


def claim(hold_seconds: float) -> Parcel | None:
    """Take one of the rows that are due for so long; nobody else gets it meanwhile. None if nothing is due."""
    now = timezone.now()
    until = now + timedelta(seconds=hold_seconds)
    due = Delivery.objects.filter(due_at__lte=now).select_related("room").order_by("due_at")[:CANDIDATES]
    candidates = list(due)
    for row in random.sample(candidates, len(candidates)):
        if Delivery.objects.filter(pk=row.pk, due_at=row.due_at).update(due_at=until):
            return Parcel(row.pk, row.room.name, row.version, row.attempts, until)
    return None


def number_due() -> int:
    """Return how many rows are due."""
    return Delivery.objects.filter(due_at__lte=timezone.now()).count()


def delivered(parcel: Parcel, debounce_seconds: float) -> None:
    """Forget a row, or if the room was persisted once more meanwhile, let that be told after the debounce."""
    with atomic():
        row = Delivery.objects.select_for_update().filter(pk=parcel.pk).first()
        if row is None:
            return
        if row.version == parcel.version:
            row.delete()
        elif row.due_at == parcel.until:
            row.due_at = timezone.now() + timedelta(seconds=debounce_seconds)
            row.attempts, row.last_error = 0, ""
            row.save(update_fields=["due_at", "attempts", "last_error"])


def failed(parcel: Parcel, reason: str, delay_seconds: float) -> None:
    """Let a row wait, and show why; not if somebody else has it by now."""
    Delivery.objects.filter(pk=parcel.pk, due_at=parcel.until).update(
        due_at=timezone.now() + timedelta(seconds=delay_seconds),
        attempts=parcel.attempts + 1,
        last_error=reason.replace("\0", "\ufffd")[:REASON_CHARACTERS],
    )


def give_back(parcels: Iterable[Parcel]) -> None:
    """Make rows due at once that are still ours: this worker ends."""
    for parcel in parcels:
        Delivery.objects.filter(pk=parcel.pk, due_at=parcel.until).update(due_at=timezone.now())
