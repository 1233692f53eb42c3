"""Decisions about rooms, each asked for once by everybody who waits for it, and kept for a moment."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from django.utils.module_loading import import_string

from authbridge.identity import Identity
from rooms import orders
from rooms.conf import conf
from rooms.errors import DecisionUnavailable
from rooms.grants import Access
from rooms.perloop import PerLoop


@dataclass(frozen=True, slots=True)
class Permission:
    """What a policy may say beyond an Access.

    Args:
        may_share_awareness: whether others see this user's cursor; None as READERS_VISIBLE says.
    """

    access: Access
    may_share_awareness: bool | None = None


Policy = Callable[[Any, str], Awaitable[Access | Permission]]

BY_PERMISSIONS = "authbridge.policy.by_permissions"
BY_CALLBACK = "authbridge.callback.by_callback"

REMEMBERED = 10_000
FAILURE_SECONDS = 1.0
"""A failure is not asked about again for so long: whoever is refused comes back within the second."""


@dataclass(slots=True)
class Decision:
    """One question and, some day, its answer."""

    asked_at: float
    answer: "asyncio.Task[Permission]"

    def is_fresh(self, since: float) -> bool:
        """Tell whether it was asked at `since` or later; if that failed, whether it was asked just now."""
        if self.answer.done() and (self.answer.cancelled() or self.answer.exception() is not None):
            since = max(since, time.monotonic() - FAILURE_SECONDS)
        return self.asked_at >= since


class Decisions:
    """The latest decisions of one event loop."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[object, str], Decision] = OrderedDict()

    async def decide(self, identity: Identity, room: str, *, since: float, known_at: float) -> tuple[Permission, float]:
        """Return what somebody may do in a room, decided at `since` (time.monotonic) or later, and when.

        Args:
            known_at: when it began to be looked who that is: the answer goes by that, and is no newer.

        Raises:
            DecisionUnavailable: no answer within HANDSHAKE_SECONDS.
            YRedisError: as the policy.
        """
        key, since = (identity.key, room), max(since, orders.latest(room, identity.user_id))
        decision = self._known.get(key)
        if decision is None or not decision.is_fresh(since):
            asked = asyncio.get_running_loop().create_task(_decide(identity.user, room))
            asked.add_done_callback(_look_at)  # whoever asked may be gone
            decision = self._known[key] = Decision(known_at, asked)
            self._known.move_to_end(key)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return await asyncio.shield(decision.answer), decision.asked_at

    async def aclose(self) -> None:
        """Drop what is being asked."""
        for decision in self._known.values():
            decision.answer.cancel()


def _look_at(asked: "asyncio.Task[Permission]") -> None:
    if not asked.cancelled():
        asked.exception()


def policy_path() -> str:
    """Return the dotted path of what decides."""
    settings = conf()
    return settings.permission or (BY_CALLBACK if settings.permission_callback else BY_PERMISSIONS)


async def _decide(user: Any, room: str) -> Permission:
    path = policy_path()
    policy: Policy = import_string(path)
    try:
        async with asyncio.timeout(conf().handshake_seconds):
            said = await policy(user, room)
    except TimeoutError as error:
        raise DecisionUnavailable("who may enter was not told in time") from error
    if isinstance(said, Permission):
        return said
    if not isinstance(said, Access):
        raise TypeError(f"{path} must return an Access, but returned {said!r}")
    return Permission(said)


async def _make() -> Decisions:
    return Decisions()


decisions = PerLoop(_make)


async def decided(identity: Identity, room: str, *, known_at: float) -> Access:
    """Return what somebody known at `known_at` may do in a room, within ACCESS_CACHE_SECONDS; raise as `decide`."""
    since = known_at - conf().access_cache_seconds
    decision, _ = await (await decisions.get()).decide(identity, room, since=since, known_at=known_at)
    return decision.access
