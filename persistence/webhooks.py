"""The webhook: after a room was persisted, its document is sent to an url of the site's, signed, until it is taken.

It has tasks, a compute child and connections of its own, and reads only what is persisted: nothing that happens here
holds up a worker. One document is made at a time and at most SENDERS are on their way.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

from persistence import outbox
from persistence.backoff import delay_seconds
from persistence.outbox import Parcel
from persistence.webhook_request import Address, Content, form, signature
from rooms import merge, pool
from rooms.calmly import calmly
from rooms.compute import Compute
from rooms.compute_operations import Verdict
from rooms.conf import Conf
from rooms.errors import StoreUnavailable, Undecodable, YRedisError
from rooms.level import level_of
from rooms.metrics import Count, count
from rooms.store import Chain, store

logger = logging.getLogger(__name__)

SENDERS = 4
POLL_SECONDS = 1.0
"""How often an outbox is looked at in which nothing was due."""

STORE_AWAY_SECONDS = 5.0
HOLD_SECONDS = 15.0
"""A row is ours for as long as its delivery may take, and this. A worker that is killed leaves it to others then."""

LONGEST_PAUSE_SECONDS = 30.0
"""Between two attempts, of whichever rooms, while the receiver is away: documents that nobody takes cost work too."""

ANSWER_BYTES = 64 * 1024
"""So much of an answer's body is read, and ignored, to use the connection again."""

USER_AGENT = "django-yredis"


class NotDelivered(YRedisError):
    """The receiver did not take this room: try again later."""


class ReceiverAway(NotDelivered):
    """The receiver did not answer, or is in trouble: it would take no other room now."""


class Deliverer:
    """Empties the outbox for one worker process."""

    def __init__(self, conf: Conf) -> None:
        self.conf = conf
        self.address = Address.parse(conf.webhook_url)
        self.most_seconds = conf.store_timeout_seconds + conf.compute_timeout_seconds  # to make one document
        self.in_hand: dict[asyncio.Task[None], Parcel] = {}
        self.failures_in_row = 0

    async def run(self) -> None:
        """Deliver until cancelled; what is on its way then is given back."""
        async with self.means() as (client, compute):
            while True:
                await self.be_free()
                await asyncio.sleep(await self.deliver_one(client, compute))

    async def run_once(self) -> None:
        """Deliver what is due now, once; give up when the store or the receiver is away."""
        async with self.means() as (client, compute):
            for _ in range(await pool.run(outbox.number_due)):
                if self.failures_in_row or await self.deliver_one(client, compute):
                    break
                await self.be_free()
            if self.in_hand:
                await asyncio.wait(self.in_hand)

    @asynccontextmanager
    async def means(self) -> AsyncIterator[tuple[httpx.AsyncClient, Compute]]:
        """Have what it takes to deliver for the length of a block; what is on its way at its end is given back."""
        compute = Compute(
            processes=1,
            memory_bytes=self.conf.compute_memory_bytes,
            timeout_seconds=self.conf.compute_timeout_seconds,
            on_crash=lambda: count(Count.COMPUTE_CRASHES),
        )
        try:
            async with httpx.AsyncClient(auth=self.address.auth, timeout=None) as client:  # noqa: S113  # send has one
                try:
                    yield client, compute
                finally:
                    await self.give_back()
        finally:
            await compute.aclose()

    async def be_free(self) -> None:
        """Return when one more document may be made: while the receiver is away, after a pause and alone."""
        while len(self.in_hand) >= (1 if self.failures_in_row else SENDERS):
            await asyncio.wait(self.in_hand, return_when=asyncio.FIRST_COMPLETED)
        if self.failures_in_row:
            pause_seconds = min(2.0 ** min(self.failures_in_row - 1, 30), LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause_seconds * random.uniform(0.75, 1.25))  # noqa: S311  # no secret

    async def deliver_one(self, client: httpx.AsyncClient, compute: Compute) -> float:
        """Make the document of a room that is due and begin to send it; return how long to wait if there is none."""
        hold_seconds = self.most_seconds + self.conf.webhook_timeout_seconds + HOLD_SECONDS
        try:
            parcel = await pool.run(outbox.claim, hold_seconds)
        except StoreUnavailable as error:
            logger.log(level_of(error), "Could not look into the outbox: %s", error, extra={"action": "outbox_away"})
            return STORE_AWAY_SECONDS
        if parcel is None:
            return POLL_SECONDS
        making = asyncio.create_task(self._made(parcel, compute))
        try:
            content = await making
        except asyncio.CancelledError:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)
            with suppress(StoreUnavailable):
                await pool.run(outbox.give_back, [parcel])
            raise
        if content is not None:
            task = asyncio.create_task(self._send(client, parcel, content))
            self.in_hand[task] = parcel
            task.add_done_callback(self.in_hand.pop)
        return 0.0

    async def _made(self, parcel: Parcel, compute: Compute) -> Content | None:
        """Return a room's document, or None if there is none or it can't be made, which is noted."""
        try:
            async with asyncio.timeout(self.most_seconds):
                chain = await store().load(parcel.room)
                if chain:
                    return await content_of(chain, compute)
            await self._note_delivered(parcel)  # the room is gone
        except Exception as error:  # a store may be the site's code
            await self._note_failure(parcel, error)
        return None

    async def _send(self, client: httpx.AsyncClient, parcel: Parcel, content: Content) -> None:
        started = time.monotonic()
        try:
            request = await self.request(parcel, content)
            await send(client, request, timeout_seconds=self.conf.webhook_timeout_seconds)
        except Exception as error:  # it belongs to this room alone
            self.failures_in_row += isinstance(error, ReceiverAway)
            await self._note_failure(parcel, error)
            return
        self.failures_in_row = 0
        count(Count.WEBHOOKS_DELIVERED)
        size, seconds = len(request.content), round(time.monotonic() - started, 3)
        extra = {"action": "webhook_delivered", "room": parcel.room, "bytes": size, "seconds": seconds}
        logger.info("Told the webhook of room %s in %.3f s", parcel.room, seconds, extra=extra)
        await self._note_delivered(parcel)

    async def request(self, parcel: Parcel, content: Content) -> httpx.Request:
        """Return the request that brings a document; signed if there is a secret."""
        size = len(content.update) + sum(map(len, content.verbatim))
        content_type, body = await calmly(size, form, parcel.room, content)
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": content_type,
            "User-Agent": USER_AGENT,
            "X-YRedis-Delivery": parcel.delivery_id,
            "X-YRedis-Timestamp": timestamp,
        }
        if self.conf.webhook_secret:
            headers["X-YRedis-Signature"] = await calmly(size, signature, self.conf.webhook_secret, timestamp, body)
        return httpx.Request("PUT", self.address.of(parcel.room), headers=headers, content=body)

    async def _note_delivered(self, parcel: Parcel) -> None:
        try:
            await pool.run(outbox.delivered, parcel, self.conf.webhook_debounce_seconds)
        except StoreUnavailable as error:  # it is sent once more when the row is due again
            logger.info("Could not clear the outbox: %s", error, extra={"action": "outbox_away", "room": parcel.room})

    async def _note_failure(self, parcel: Parcel, error: Exception) -> None:
        """Log why a room was not delivered, and let it wait."""
        count(Count.WEBHOOKS_FAILED)
        ours = isinstance(error, YRedisError)
        reason = str(error) if ours else f"{type(error).__name__}: {error}"
        extra = {"action": "webhook_failed", "room": parcel.room, "reason": reason, "attempt": parcel.attempts + 1}
        level = level_of(error) if isinstance(error, YRedisError) else logging.ERROR
        text = "Could not tell the webhook of room %s, attempt %d: %s"
        trace = None if ours else error
        logger.log(level, text, parcel.room, parcel.attempts + 1, reason, extra=extra, exc_info=trace)
        with suppress(StoreUnavailable):  # then it is due again when our time with it is over
            await pool.run(outbox.failed, parcel, reason, delay_seconds(parcel.attempts, alone=True))

    async def give_back(self) -> None:
        """Give up what is on its way; another worker sends it."""
        parcels = list(self.in_hand.values())
        tasks = list(self.in_hand)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(StoreUnavailable):
            await pool.run(outbox.give_back, parcels)


async def content_of(chain: Chain, compute: Compute) -> Content:
    """Return a chain as one update, beside it what can't be merged without harm: all, if nothing can.

    Raises:
        ComputeUnavailable: not now.
    """
    updates = [entry.update for entry in chain.entries]
    if not updates:
        return Content(merge.EMPTY_UPDATE)
    verbatim = [entry.update for entry in chain.entries if entry.verbatim]
    verdicts = bytes(Verdict.VERBATIM if entry.verbatim else Verdict.PLAIN for entry in chain.entries)
    try:
        merged, *_ = await compute.run("compact", [verdicts, *updates])
    except Undecodable:
        return Content(merge.EMPTY_UPDATE, updates)
    return Content(merged, verbatim)


async def send(client: httpx.AsyncClient, request: httpx.Request, *, timeout_seconds: float) -> None:
    """Send a request; return if the answer is 2xx, whose body does not matter. Redirects are not followed.

    Raises:
        ReceiverAway: no answer in time, or 429 or 5xx.
        NotDelivered: any other answer.
    """
    status = 0
    try:
        async with asyncio.timeout(timeout_seconds):
            response = await client.send(request, stream=True)
            status = response.status_code
            try:
                await _read_a_little(response)
            finally:
                await response.aclose()
    except TimeoutError as error:
        if not status:
            raise ReceiverAway(f"no answer within {timeout_seconds:g} s") from error
    except httpx.HTTPError as error:
        if not status:
            raise ReceiverAway(f"{type(error).__name__}: {error}".rstrip(": ")) from error
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise ReceiverAway(f"HTTP {status}")
    if not 200 <= status < 300:
        raise NotDelivered(f"HTTP {status}")


async def _read_a_little(response: httpx.Response) -> None:
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > ANSWER_BYTES:
            break
