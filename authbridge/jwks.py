"""Key sets of other servers (JWKS): fetched when they are needed, kept for a while, fetched anew for an unknown key."""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Any

from authbridge.fetch import fetched_json
from authbridge.keys import Key, Source, from_jwk
from rooms.errors import DecisionUnavailable

logger = logging.getLogger(__name__)

KEEP_SECONDS = 600.0
"""A key that is withdrawn is refused so much later at the latest."""

AGAIN_SECONDS = 30.0
"""Tokens with unknown keys can't make us ask more often."""

RETRY_SECONDS = 1.0
"""Keys that were never had are asked for again so soon."""


NEVER = float("-inf")


@dataclass(slots=True)
class KeySet:
    """What a url said, and when."""

    keys: list[Key] = field(default_factory=list)
    fetched_at: float = NEVER
    tried_at: float = NEVER
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def was_had(self) -> bool:
        """Whether there was ever an answer."""
        return self.fetched_at != NEVER

    @property
    def may_be_asked_at(self) -> float:
        """When the next question is allowed."""
        return self.tried_at + (AGAIN_SECONDS if self.was_had else RETRY_SECONDS)

    def is_old(self, now: float) -> bool:
        """Tell whether keys may have been withdrawn meanwhile."""
        return now - self.fetched_at > KEEP_SECONDS

    def lacks(self, kid: str | None) -> bool:
        """Tell whether a key that has a name is not here."""
        return kid is not None and kid not in {key.kid for key in self.keys}


class KeySets:
    """The key sets that one event loop knows, by source."""

    def __init__(self) -> None:
        self._sets: dict[Source, KeySet] = {}

    async def keys(self, source: Source, kid: str | None) -> tuple[list[Key], bool]:
        """Return the keys of a source, those of before where it gives no answer; and whether it may have others by now.

        Raises:
            DecisionUnavailable: it never gave one.
        """
        found = self._sets.setdefault(source, KeySet())
        async with found.lock:
            now = time.monotonic()
            if (found.is_old(now) or found.lacks(kid)) and now >= found.may_be_asked_at:
                await self._fetch(source, found)
            if not found.was_had:
                raise DecisionUnavailable("the keys of a token can't be had")
            return found.keys, found.lacks(kid) and now > found.fetched_at

    @staticmethod
    async def _fetch(source: Source, found: KeySet) -> None:
        found.tried_at = time.monotonic()
        try:
            answer = await fetched_json(source.url)
            entries: Any = answer["keys"]
            found.keys = [key for entry in entries if (key := _key_or_none(entry, source.alg))]
            found.fetched_at = time.monotonic()
        except (DecisionUnavailable, KeyError, TypeError) as error:
            extra = {"action": "jwks_failed", "reason": str(error)}
            logger.warning("Keys can't be fetched: %s", error, extra=extra)


def _key_or_none(entry: Any, alg: str) -> Key | None:
    """Return the key of an entry, if it is one for this algorithm: sets have others too."""
    try:
        return from_jwk(entry, alg)
    except Exception:  # whatever another server writes
        return None
