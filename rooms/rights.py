"""What becomes of a connection's rights while it is open: they are decided anew, run out, or are taken away."""

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from rooms import orders
from rooms.errors import ClientError, CloseCode, DecisionUnavailable, IdentityRefused, YRedisError
from rooms.grants import Grant
from rooms.metrics import Count, count
from rooms.policy import Policy

if TYPE_CHECKING:
    from rooms.seat import Seat

logger = logging.getLogger(__name__)

LOOKS = 12
"""So many times in RECHECK_SECONDS it is looked whose rights were decided long ago."""

PATIENCE = 2
"""A decision that can't be had closes the socket when the last one is so many times RECHECK_SECONDS old."""


class Rights:
    """The grant of one connection: what the site has given, and what the room's policy leaves of it."""

    def __init__(self, seat: "Seat", grant: Grant, *, recheck_seconds: float) -> None:
        self._given = grant
        self.grant = seat.room.policy.limited(grant)
        self._seat = seat
        self._recheck_seconds = recheck_seconds
        self._decided_at = time.monotonic() if grant.decided_at is None else grant.decided_at
        self._since = float("-inf")
        self._token: str | None = None
        self._reason: YRedisError | None = None
        self._task: asyncio.Task[None] | None = None
        self._waits = False
        self._expiry: asyncio.TimerHandle | None = None
        self._ends_at = float("inf")

    def begin(self) -> None:
        """Let it run out when its time has come; decide anew at once after an order that came before the seat."""
        self._watch_expiry()
        ordered_at = orders.latest(self.grant.room, self.grant.user_id)
        if ordered_at > self._decided_at:
            self.decide_again(since=ordered_at, urgent=True)

    def heed(self, policy: Policy) -> None:
        """Close if a new policy of the room leaves more or less of what the site has given; the client comes back."""
        limited = policy.limited(self._given)
        if limited.access != self.grant.access:
            self._seat.close(CloseCode.RIGHTS_CHANGED, f"rights changed: {limited.access}")

    def end(self) -> None:
        """Decide no more."""
        if self._expiry is not None:
            self._expiry.cancel()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    def _watch_expiry(self) -> None:
        """Close when the time is over, by the clock or by what it was before somebody set it back."""
        if self.grant.expires_at is None:
            return
        now = time.monotonic()
        self._ends_at = min(self._ends_at, now + self.grant.expires_at - time.time())
        if self._ends_at <= now:
            self._seat.fail(IdentityRefused("its time is over"))
        else:
            left_seconds = min(self._ends_at - now, self._recheck_seconds)
            self._expiry = asyncio.get_running_loop().call_later(left_seconds, self._watch_expiry)

    def grow_old(self, now: float) -> None:
        """Decide anew before the last decision is too old, or if one that was ordered could not be had; or give up."""
        age_seconds = now - self._decided_at
        if self.grant.renew is None:
            return
        if age_seconds > PATIENCE * self._recheck_seconds:
            self._seat.fail(self._reason or DecisionUnavailable("nothing could be decided in time"))
        elif age_seconds >= self._recheck_seconds * (1 - 1 / LOOKS) or self._since > self._decided_at:
            self.decide_again(since=now)

    def decide_again(self, *, since: float, token: str | None = None, urgent: bool = False) -> None:
        """Ask the site soon for a decision that is not older than `since`; with the token, if the client sent one.

        Args:
            urgent: not in turn with thousands of others.
        """
        self._since = max(self._since, since)
        self._token = token or self._token
        if urgent and self._waits and self._task is not None:
            self._task.cancel()
            self._task = None
        if self._task is None and self.grant.renew is not None and not self._seat.closed:
            self._waits = not urgent
            self._task = asyncio.create_task(self._decide_now() if urgent else self._decide_in_turn())

    async def _decide_in_turn(self) -> None:
        async with self._seat.room.backend.deciding.turn(self.grant.room):
            self._waits = False
            await self._decide_now()

    async def _decide_now(self) -> None:
        try:
            while self._since > self._decided_at and not self._seat.closed:
                since, token, self._token = self._since, self._token, None
                if not await self._has_decided(since, token):
                    return
        finally:
            self._task = None

    async def _has_decided(self, since: float, token: str | None) -> bool:
        """Ask the site; return whether it could tell."""
        count(Count.RECHECKS)
        try:
            assert self.grant.renew is not None  # noqa: S101  # decide_again has seen to it
            async with asyncio.timeout(self._seat.room.backend.conf.handshake_seconds):
                new = await self.grant.renew(token, since)
            self._decided_at, self._reason = max(since, self._decided_at), None
            self._take(new)
        except ClientError as error:
            # Who it is can't be told by the old token any more, but the client has sent a fresh one meanwhile.
            if not (isinstance(error, IdentityRefused) and token is None and self._token is not None):
                self._seat.fail(error)
        except TimeoutError:
            self._token = self._token or token
            self._note(DecisionUnavailable("who may be here was not told in time"))
            return False
        except Exception as error:
            self._token = self._token or token
            self._note(error)
            return False
        return True

    def _take(self, new: Grant) -> None:
        """Live on with a new grant, or close when it is another one: the client then comes back with that."""
        old = self._given
        if (new.room, new.user_id) != (old.room, old.user_id):
            raise IdentityRefused("it is another user's")
        if (new.access, new.may_share_awareness) != (old.access, old.may_share_awareness):
            self._seat.close(CloseCode.RIGHTS_CHANGED, f"rights changed: {new.access}")
            return
        self._given, self.grant = new, self._seat.room.policy.limited(new)
        if new.expires_at != old.expires_at:
            if self._expiry is not None:
                self._expiry.cancel()
            self._ends_at = float("inf")
            self._watch_expiry()

    def _note(self, error: Exception) -> None:
        """Keep the grant for a while if nothing can be decided; a callback or database that is away will be back."""
        if isinstance(error, YRedisError):
            self._reason = error
        else:
            extra = {"action": "recheck_failed", "room": self.grant.room}
            logger.error("AUTHORIZE failed", exc_info=error, extra=extra)
            self._reason = YRedisError("AUTHORIZE failed")
