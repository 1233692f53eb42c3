"""What a worker noted of a room hour by hour, as two charts for its page."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from rooms.amounts import plain
from rooms.charts import Chart, Point, line, sticks
from rooms.moments import moment

HOUR_SECONDS = 3600
SHORTEST_SECONDS = 24 * HOUR_SECONDS
"""A room of a few hours is shown in the day that ends with them, not as one wide bar."""


def activity_charts(activity: Any) -> SafeString | str:
    """Return edits and bytes over time, as far back as is known; "-" for a room that was never persisted since.

    Args:
        activity: points [hour since the epoch, entries persisted in it, bytes of the room at its end].
    """
    known = [point for point in activity if len(point) >= 3] if isinstance(activity, list) else []
    if not known:
        return "-"
    hours: Sequence[float] = [point[0] * HOUR_SECONDS for point in known]
    edits: list[Point] = [(at, float(point[1])) for at, point in zip(hours, known, strict=True)]
    sizes: list[Point] = [(at, float(point[2])) for at, point in zip(hours, known, strict=True)]
    ends = hours[-1] + HOUR_SECONDS
    begins = min(hours[0], ends - SHORTEST_SECONDS)
    labels = (_day(begins), _day(ends))
    return format_html(
        "<div>{}</div><div>{}</div>",
        sticks(Chart(_("updates an hour"), edits, begins, ends, labels, plain), width_seconds=HOUR_SECONDS),
        line(Chart(_("bytes persisted"), sizes, begins, ends, labels, filesizeformat), gap_seconds=ends - begins),
    )


def _day(at: float) -> str:
    return moment(datetime.fromtimestamp(at, UTC), "SHORT_DATE_FORMAT")
