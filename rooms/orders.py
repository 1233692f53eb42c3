"""Orders to every server, on the bell of the room without a name: decide anew about connections, or close them.

What this process has heard is remembered for a while: a decision that was made before an order may be wrong after it.
"""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rooms.bells import Bell, Kind
from rooms.errors import CloseCode, Undecodable
from rooms.grants import Grant
from rooms.metrics import Count, count

if TYPE_CHECKING:
    from rooms.seat import Seat

EVERYWHERE = ""
"""The room without a name."""

ORDERS = (Kind.RECHECK, Kind.KICK)

REASON_BYTES = 120
"""A close frame has room for 123."""

REMEMBERED = 1000
"""Orders; one that is forgotten counts as one that concerned everybody."""

SeatsOf = Callable[[str | None], "Iterable[Seat]"]
"""Return the connections in a room, or all."""


@dataclass(frozen=True, slots=True)
class Order:
    """Whom a recheck or a kick concerns: None is every room, every user, every token."""

    room: str | None = None
    user: str | None = None
    token_id: str | None = None
    reason: str = ""

    def encode(self) -> str:
        """Return it as a bell carries it."""
        return json.dumps([self.room, self.user, self.token_id, self.reason])

    @classmethod
    def decode(cls, body: object) -> "Order":
        """Read a bell's body; raise Undecodable if it is no order."""
        try:
            room, user, token_id, reason = json.loads(body)  # type: ignore[arg-type]
        except (ValueError, TypeError) as error:
            raise Undecodable("an order that is none") from error
        if not all(isinstance(text, str | None) for text in (room, user, token_id)):
            raise Undecodable("an order that is none")
        return cls(room, user, token_id, str(reason))

    def concerns(self, grant: Grant) -> bool:
        """Tell whether it is about the connection that has this grant."""
        whom = ((self.room, grant.room), (self.user, grant.user_id), (self.token_id, grant.token_id))
        return all(named is None or named == found for named, found in whom)


_heard: OrderedDict[tuple[str | None, str | None], float] = OrderedDict()


def latest(room: str, user_id: str | None) -> float:
    """Return when an order that may concern a user in a room was last heard (time.monotonic): nothing older counts."""
    whom = ((None, None), (room, None), (None, user_id), (room, user_id))
    return max(_heard.get(each, float("-inf")) for each in whom)


def _remember(order: Order) -> float:
    now = _heard[order.room, order.user] = time.monotonic()
    _heard.move_to_end((order.room, order.user))
    while len(_heard) > REMEMBERED:
        _, forgotten_at = _heard.popitem(last=False)
        _heard[None, None] = max(forgotten_at, _heard.get((None, None), forgotten_at))
    return now


def recheck(order: Order, seats_of: SeatsOf) -> None:
    """Decide anew for those whom an order concerns: at once for a user, in turn for many."""
    now, urgent = _remember(order), order.user is not None or order.token_id is not None
    for seat in seats_of(order.room):
        if order.concerns(seat.grant):
            seat.rights.decide_again(since=now, urgent=urgent)


def obey(bell: Bell, seats_of: SeatsOf) -> None:
    """Do what a bell orders; raise Undecodable if it is no order."""
    order = Order.decode(bell.body)
    if bell.kind == Kind.KICK:
        for seat in [seat for seat in seats_of(order.room) if order.concerns(seat.grant)]:
            count(Count.KICKED)
            seat.close(CloseCode.NO_RIGHT, order.reason or "kicked")
    recheck(order, seats_of)
