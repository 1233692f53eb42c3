"""Which database: the one that is written to, whatever the site's routers send elsewhere.

A replica that is behind must not be asked by whoever then writes, or trims, or tells what a room holds.
"""

from typing import TypeVar

from django.db import router, transaction
from django.db.models import Model, QuerySet

from persistence.models import Segment

M = TypeVar("M", bound=Model)


def atomic() -> transaction.Atomic:
    """Return a transaction there."""
    return transaction.atomic(using=router.db_for_write(Segment))


def rows(model: type[M]) -> QuerySet[M]:
    """Return all rows of a model there."""
    return QuerySet(model, using=router.db_for_write(Segment))
