"""Key sets of other servers (JWKS): fetched when they are needed, kept for a while, fetched anew for an unknown key."""

import asyncio
import logging
import time
from typing import Any

from authbridge.fetch import Fetcher
from authbridge.keys import Key, Source, from_jwk
from rooms.errors import DecisionUnavailable

logger = logging.getLogger(__name__)

FRESH_SECONDS = 300.0
"""Older keys are asked for again, while they are still used."""

KEEP_SECONDS = 600.0
"""A key that is withdrawn is refused so much later at the latest, if its server answers."""

LOSE_SECONDS = 3600.0
"""Keys whose server has not answered for so long are not used any more."""

AGAIN_SECONDS = 30.0
"""Tokens with unknown keys can't make us ask more often."""

RETRY_SECONDS = 1.0
"""Keys that are not there at all are asked for again so soon."""

AT_ONCE = 200
"""More than any site has key sets: each is asked for by one at a time."""

NEVER = float("-inf")


class KeySet:
    """What one url said, and when."""

    def __init__(self, source: Source, fetcher: Fetcher) -> None:
        self._source = source
        self._fetcher = fetcher
        self._keys: dict[str | None, list[Key]] = {}
        self._fetched_at = self._tried_at = NEVER
        self._failed = False
        self._fetching: asyncio.Task[None] | None = None

    async def keys(self, kid: str | None) -> tuple[list[Key], bool]:
        """Return the keys, and whether there may be others by now. Who can do with those that are here waits for none.

        Raises:
            DecisionUnavailable: its server gave no answer, never or for too long.
        """
        now = time.monotonic()
        if self._is_older(FRESH_SECONDS, now) or self._lacks(kid):
            self._ask(now)
        if self._fetching and (self._lacks(kid) or (self._is_older(KEEP_SECONDS, now) and not self._failed)):
            await asyncio.shield(self._fetching)
        if self._is_older(LOSE_SECONDS, now):
            raise DecisionUnavailable("the keys of a token can't be had")
        return [key for keys in self._keys.values() for key in keys], self._lacks(kid) and now > self._fetched_at

    def _is_older(self, seconds: float, now: float) -> bool:
        return now - self._fetched_at > seconds

    def _lacks(self, kid: str | None) -> bool:
        """Tell whether what a token needs is not here: the key that it names, or any."""
        return not self._keys if kid is None else kid not in self._keys

    def _ask(self, now: float) -> None:
        """Begin to fetch them, unless that is under way or was done just now."""
        self._failed = self._failed and now - self._tried_at < 2 * AGAIN_SECONDS  # its server may be well again
        pause = RETRY_SECONDS if self._is_older(LOSE_SECONDS, now) else AGAIN_SECONDS
        if self._fetching is None and now - self._tried_at >= pause:
            self._tried_at = now
            self._fetching = asyncio.get_running_loop().create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            answer = await self._fetcher.json(self._source.url, self._source.url)
            entries: Any = answer["keys"]
            keys = [key for entry in entries if (key := _key_or_none(entry, self._source.alg))]
        except (DecisionUnavailable, KeyError, TypeError) as error:
            self._failed = True
            extra = {"action": "jwks_failed", "reason": str(error)}
            logger.warning("Keys can't be fetched: %s", error, extra=extra)
        else:
            self._failed, self._fetched_at = False, time.monotonic()
            self._keys = {kid: [key for key in keys if key.kid == kid] for kid in {key.kid for key in keys}}
        finally:
            self._fetching = None

    def stop(self) -> None:
        """Fetch no more."""
        if self._fetching:
            self._fetching.cancel()


class KeySets:
    """The key sets that one event loop knows, by source. They wait behind no question about rights."""

    def __init__(self) -> None:
        self._fetcher = Fetcher(AT_ONCE)
        self._sets: dict[Source, KeySet] = {}

    async def keys(self, source: Source, kid: str | None) -> tuple[list[Key], bool]:
        """Return the keys of a source, as KeySet.keys does."""
        if source not in self._sets:
            self._sets[source] = KeySet(source, self._fetcher)
        return await self._sets[source].keys(kid)

    async def aclose(self) -> None:
        """Close what is open."""
        for each in self._sets.values():
            each.stop()
        await self._fetcher.aclose()


def _key_or_none(entry: Any, alg: str) -> Key | None:
    """Return the key of an entry, if it is one for this algorithm: sets have others too."""
    try:
        return from_jwk(entry, alg)
    except Exception:  # whatever another server writes
        return None
