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
    """Whom a recheck or a kick concerns: None is every room, or every user."""

    room: str | None = None
    user: str | None = None
    reason: str = ""

    def encode(self) -> str:
        """Return it as a bell carries it."""
        return json.dumps([self.room, self.user, self.reason])

    @classmethod
    def decode(cls, body: object) -> "Order":
        """Read a bell's body; raise Undecodable if it is no order."""
        try:
            room, user, reason = json.loads(body)  # type: ignore[arg-type]
        except (ValueError, TypeError) as error:
            raise Undecodable("an order that is none") from error
        if not (isinstance(room, str | None) and isinstance(user, str | None) and isinstance(reason, str)):
            raise Undecodable("an order that is none")
        return cls(room, user, reason)

    def concerns(self, grant: Grant) -> bool:
        """Tell whether it is about the connection that has this grant."""
        return self.room in (None, grant.room) and self.user in (None, grant.user_id)


_heard: OrderedDict[tuple[str | None, str | None], float] = OrderedDict()


def latest(room: str, user_id: str | None) -> float:
    """Return when an order that concerns a user in a room was last heard (time.monotonic): nothing older counts."""
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
    """Decide anew for those whom an order concerns."""
    now = _remember(order)
    for seat in seats_of(order.room):
        if order.concerns(seat.grant):
            seat.rights.decide_again(since=now)


def obey(bell: Bell, seats_of: SeatsOf) -> None:
    """Do what a bell orders; raise Undecodable if it is no order."""
    order = Order.decode(bell.body)
    if bell.kind == Kind.KICK:
        for seat in [seat for seat in seats_of(order.room) if order.concerns(seat.grant)]:
            count(Count.KICKED)
            seat.close(CloseCode.NO_RIGHT, order.reason or "kicked")
    recheck(order, seats_of)
