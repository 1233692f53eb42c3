"""A plain script that edits a room so many times: `python -m bench.edit_process ROOM TIMES`."""

import sys
import time

PAUSE_SECONDS = 0.02


def edit(room: str) -> None:
    """Write the time before the edit into a room, where who hears of it finds it."""
    from pycrdt import Text

    from rooms import api

    began = time.time()
    with api.edit_sync(room) as document:
        document.get("stamps", type=Text).insert(0, f"<{began:.6f}>")


if __name__ == "__main__":
    import django

    django.setup()
    for _ in range(int(sys.argv[2])):
        edit(sys.argv[1])
        time.sleep(PAUSE_SECONDS)
