"""What becomes of a room hour by hour, in so few numbers that its row can hold them."""

from collections.abc import Sequence

HOUR_SECONDS = 3600

MOST_POINTS = 96
"""Hours in which something was persisted; of a room that is edited all the time, four days."""


def added(activity: Sequence[Sequence[int]], now: float, entries: int, size_bytes: int) -> list[list[int]]:
    """Return a room's activity with what was persisted just now: the oldest point goes when there are too many.

    A point is [hour since the epoch, entries persisted in that hour, bytes of the room at its end]. After a clock that
    was set back the last hour there is counts for what comes, so that points stay in the order of time.

    Args:
        now: seconds since the epoch.
        size_bytes: of the snapshot and all deltas.
    """
    hour = int(now) // HOUR_SECONDS
    points = [list(point) for point in activity]
    if points and points[-1][0] >= hour:
        points[-1] = [points[-1][0], points[-1][1] + entries, size_bytes]
    else:
        points.append([hour, entries, size_bytes])
    return points[-MOST_POINTS:]
