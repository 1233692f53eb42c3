"""Which shards a worker looks after: "0-3,7" on the command line."""

import re

PART = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


def parse(text: str, *, shards: int) -> list[int]:
    """Return the shards that a text like "0-3,7" names, in order; all of them for an empty text.

    Raises:
        ValueError: it can't be read, or names a shard that there is not.
    """
    if not text.strip():
        return list(range(shards))
    chosen = set[int]()
    for part in text.split(","):
        found = PART.fullmatch(part.strip())
        if not found:
            raise ValueError(f"{part.strip()!r} is neither a shard nor a range of shards such as 0-3")
        first, last = int(found[1]), int(found[2] or found[1])
        if first > last:
            raise ValueError(f"{part.strip()} ends before it begins")
        if last >= shards:
            raise ValueError(f"there is no shard {last}: SHARDS is {shards}, so they are 0-{shards - 1}")
        chosen.update(range(first, last + 1))
    return sorted(chosen)
