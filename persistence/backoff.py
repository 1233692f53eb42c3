"""How long a room waits after it could not be persisted."""

import random

LONGEST_SECONDS = 300.0
"""For a room that fails while others don't: most likely its own fault, to be seen in the admin."""

LONGEST_OUTAGE_SECONDS = 15.0
"""When nothing can be persisted: what waits must be gone soon after the store is back."""


def delay_seconds(attempt: int, *, alone: bool) -> float:
    """Return the wait after the failure that follows `attempt` failures: doubled each time, spread by a quarter.

    Args:
        alone: other rooms were persisted meanwhile.
    """
    longest = LONGEST_SECONDS if alone else LONGEST_OUTAGE_SECONDS
    return float(min(2.0 ** min(attempt, 30), longest)) * random.uniform(0.75, 1.25)  # noqa: S311  # no secret
