"""Moments as pages show them, at a site with time zones and at one without."""

from datetime import datetime

from django.utils.formats import date_format
from django.utils.timezone import is_aware, localtime


def moment(at: datetime, how: str = "DATETIME_FORMAT") -> str:
    """Return a moment in local time; with USE_TZ = False what the database gives is that already.

    Args:
        how: one of Django's formats, by name or as such.
    """
    return date_format(localtime(at) if is_aware(at) else at, how)
