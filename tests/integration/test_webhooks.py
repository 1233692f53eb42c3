"""The webhook: what was persisted is sent, signed, until the receiver takes it, and nobody waits for that."""

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from pycrdt import Doc, Text

from persistence import framing, outbox, webhooks
from persistence.checks_webhook import check_webhook
from persistence.models import Delivery, Segment
from persistence.webhook_request import Address, BadAddress
from persistence.webhooks import Deliverer
from rooms import pool, wire
from rooms.conf import Conf, conf
from rooms.entries import Entry, EntryId
from rooms.models import Room
from tests.integration.sites import typed
from tests.support.receiver import Received, Receiver

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "a secret that nobody knows"
BIG_INT = bytes.fromhex("010107002801016d016b017a7fffffffffffffff00")
SPLIT_EMOJI = [bytes.fromhex("01010700040101740661f09f98806200"), bytes.fromhex("01010704c407010702017800")]

Persist = Callable[..., Awaitable[Delivery | None]]
Deliver = Callable[..., Awaitable[Deliverer]]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that takes everything."""
    server = Receiver()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def site(settings: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Conf]:
    """Settings of a site with this receiver; call it to change them."""
    monkeypatch.setattr(webhooks, "POLL_SECONDS", 0.02)

    def configured(**changes: Any) -> Conf:
        settings.YREDIS = {
            "STORE": "persistence.stores.database.DatabaseStore",
            "WEBHOOK_URL": receiver.url,
            "WEBHOOK_SECRET": SECRET,
            "WEBHOOK_DEBOUNCE_SECONDS": 0.05,
            **changes,
        }
        return conf()

    configured()
    return configured


def _persist(name: str, entries: list[Entry], due_in_seconds: float) -> Delivery | None:
    room, _ = Room.objects.get_or_create(name=name)
    data = framing.pack([(EntryId(number, 0), entry) for number, entry in enumerate(entries, 1)])
    Segment.objects.create(
        room=room, kind="delta", first_entry_id="1-0", last_entry_id=f"{len(entries)}-0", fence=1, entries=len(entries),
        byte_size=len(data), sha256=sha256(data).hexdigest(), payload=data,
    )  # fmt: skip
    due_at = timezone.now() + timedelta(seconds=due_in_seconds)
    with transaction.atomic():  # as a commit does it
        Delivery.objects.filter(room=room).update(version=F("version") + 1)
        Delivery.objects.bulk_create([Delivery(room=room, due_at=due_at)], ignore_conflicts=True)
    return Delivery.objects.filter(room=room).first()


@pytest.fixture
def persist() -> Persist:
    """Do as a worker does: `await persist("essay", update, ...)` adds a segment and a row of the outbox."""

    async def persisted(name: str, *updates: bytes | Entry, due_in_seconds: float = 0.0) -> Delivery | None:
        entries = [update if isinstance(update, Entry) else Entry(update) for update in updates]
        return await pool.run(_persist, name, entries, due_in_seconds)

    return persisted


@pytest.fixture
async def deliver(site: Callable[..., Conf]) -> AsyncIterator[Deliver]:
    """Start deliverers, each that of one worker; all end with the test."""
    tasks = list[asyncio.Task[None]]()

    async def started() -> Deliverer:
        deliverer = Deliverer(conf())
        tasks.append(asyncio.create_task(deliverer.run()))
        return deliverer

    yield started
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, asyncio.CancelledError)


async def rows() -> list[Delivery]:
    """Return what is in the outbox."""
    return await pool.run(lambda: list(Delivery.objects.order_by("pk")))


async def row_when(is_so: Callable[[Delivery], bool]) -> Delivery:
    """Return the first row once it is as it should be."""
    async with asyncio.timeout(10):
        while not (found := await rows()) or not is_so(found[0]):
            await asyncio.sleep(0.01)
    return found[0]


async def empty_outbox() -> None:
    """Return when nothing is left to be delivered."""
    async with asyncio.timeout(10):
        while await rows():
            await asyncio.sleep(0.01)


def text_of(*updates: bytes) -> str:
    """Return the text in a document of these updates."""
    document = Doc({"text": Text()})
    for update in updates:
        document.apply_update(update)
    return str(document["text"])


class TestTheRequest:
    async def test_the_document_is_put_as_one_v1_update(self, receiver, persist, deliver):
        await persist("essay", typed("one "), typed("two "))
        await persist("essay", typed("three "))
        await deliver()
        [request] = await receiver.has(1)
        assert (request.method, request.path) == ("PUT", "/hook/essay")
        assert set(request.form) == {"room", "ydoc"}
        assert sorted(text_of(request.form["ydoc"]).split()) == ["one", "three", "two"]
        await empty_outbox()

    async def test_it_is_signed_over_time_and_body(self, receiver, persist, deliver):
        await persist("essay", typed("one"))
        await deliver()
        [request] = await receiver.has(1)
        timestamp = request.headers["x-yredis-timestamp"]
        digest = hmac.new(SECRET.encode(), timestamp.encode() + b"." + request.body, sha256).hexdigest()
        assert request.headers["x-yredis-signature"] == f"sha256={digest}"
        assert request.headers["user-agent"] == "django-yredis"

    async def test_without_a_secret_there_is_no_signature(self, receiver, site, persist, deliver):
        site(WEBHOOK_SECRET="")
        await persist("essay", typed("one"))
        await deliver()
        [request] = await receiver.has(1)
        assert "x-yredis-signature" not in request.headers

    @pytest.mark.parametrize(
        ("room", "path"),
        [
            ("notes/day 1", "/hook/notes%2Fday%201"),
            ("a%2Fb", "/hook/a%252Fb"),
            ("日記", "/hook/%E6%97%A5%E8%A8%98"),
            ("..", "/hook/%2E%2E"),
            ("a?b#c", "/hook/a%3Fb%23c"),
        ],
    )
    async def test_any_room_is_one_segment_of_the_path_and_named_in_the_form(
        self, room, path, receiver, persist, deliver
    ):
        await persist(room, typed("one"))
        await deliver()
        [request] = await receiver.has(1)
        assert (request.path, request.form["room"].decode()) == (path, room)

    async def test_what_can_t_be_merged_comes_beside_it_byte_for_byte(self, receiver, persist, deliver):
        await persist("essay", typed("one"), Entry(BIG_INT, verbatim=True))
        await deliver()
        [request] = await receiver.has(1)
        assert text_of(request.form["ydoc"]) == "one"
        assert request.form["ydoc-verbatim"] == wire.var_bytes(BIG_INT)

    async def test_a_room_that_can_t_be_merged_at_all_comes_as_it_was_sent(self, receiver, persist, deliver):
        await persist("essay", *SPLIT_EMOJI)
        await deliver()
        [request] = await receiver.has(1)
        assert request.form["ydoc"] == b"\0\0"
        assert request.form["ydoc-verbatim"] == b"".join(map(wire.var_bytes, SPLIT_EMOJI))

    async def test_credentials_of_the_url_are_sent_and_not_logged(self, receiver, site, persist, deliver, caplog):
        caplog.set_level(logging.DEBUG)
        site(WEBHOOK_URL=receiver.url.replace("//", "//ann:p%40ssw0rd@"))
        await persist("essay", typed("one"))
        await deliver()
        [request] = await receiver.has(1)
        await empty_outbox()
        assert request.headers["authorization"] == "Basic YW5uOnBAc3N3MHJk"
        assert "ssw0rd" not in caplog.text


class TestWhenItIsTold:
    async def test_it_is_not_told_before_it_is_due(self, receiver, persist, deliver):
        await persist("essay", typed("one"), due_in_seconds=0.5)
        await deliver()
        await asyncio.sleep(0.2)
        assert not receiver.requests
        await receiver.has(1)

    async def test_a_room_persisted_while_it_is_sent_is_told_again(self, receiver, persist, deliver):
        loop = asyncio.get_running_loop()

        def persist_once_more(request: Received) -> int:
            if len(receiver.requests) == 1:
                more = typed(" and two")
                tasks.append(loop.create_task(persist("essay", more)))
            return 200

        tasks = list[asyncio.Task[Delivery | None]]()
        receiver.answer = persist_once_more
        await persist("essay", typed("one"))
        await deliver()
        first, second = (await receiver.has(2))[:2]
        assert "two" not in text_of(first.form["ydoc"])
        assert "two" in text_of(second.form["ydoc"])
        assert first.headers["x-yredis-delivery"] != second.headers["x-yredis-delivery"]
        await empty_outbox()

    async def test_several_workers_tell_each_room_once(self, receiver, persist, deliver):
        for number in range(20):
            await persist(f"room-{number}", typed("one"))
        for _ in range(3):
            await deliver()
        await empty_outbox()
        assert sorted(request.path for request in receiver.requests) == sorted(
            f"/hook/room-{number}" for number in range(20)
        )

    async def test_a_room_without_segments_is_not_told(self, receiver, persist, deliver):
        await persist("gone", typed("one"))
        await pool.run(lambda: Segment.objects.all().delete())
        await deliver()
        await empty_outbox()
        assert not receiver.requests


class TestFailures:
    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch):
        monkeypatch.setattr(webhooks, "delay_seconds", lambda attempt, *, alone: 0.05)
        monkeypatch.setattr(webhooks, "LONGEST_PAUSE_SECONDS", 0.05)

    @pytest.mark.parametrize("status", [302, 400, 410, 413, 429, 500, 503])
    async def test_any_answer_but_2xx_is_tried_again_with_the_same_id(self, status, receiver, persist, deliver):
        receiver.answer = lambda request: status if len(receiver.requests) < 3 else 204
        receiver.head, receiver.body = b"Location: /elsewhere\r\n", b""
        await persist("essay", typed("one"))
        await deliver()
        await empty_outbox()
        assert [request.path for request in receiver.requests] == ["/hook/essay"] * 3
        assert len({request.headers["x-yredis-delivery"] for request in receiver.requests}) == 1

    async def test_its_row_tells_why_and_how_often(self, receiver, persist, deliver):
        receiver.status = 503
        await persist("essay", typed("one"))
        await deliver()
        row = await row_when(lambda row: row.attempts > 1)
        assert row.last_error == "HTTP 503"

    async def test_a_receiver_that_does_not_answer_is_given_up(self, receiver, site, persist, deliver):
        site(WEBHOOK_TIMEOUT_SECONDS=0.2)
        receiver.answer = lambda request: None
        await persist("essay", typed("one"))
        await deliver()
        row = await row_when(lambda row: row.attempts > 0)
        assert row.last_error == "no answer within 0.2 s"

    async def test_a_receiver_that_was_away_is_told_when_it_is_back(self, receiver, persist, deliver):
        await receiver.stop()
        await persist("essay", typed("one"))
        await deliver()
        row = await row_when(lambda row: row.attempts > 0)
        assert row.last_error.startswith("ConnectError")
        await receiver.start()
        await empty_outbox()

    async def test_an_endless_answer_is_not_read(self, receiver, persist, deliver):
        receiver.body = b"x" * 5_000_000
        await persist("essay", typed("one"))
        await deliver()
        await empty_outbox()
        assert len(receiver.requests) == 1

    async def test_a_room_that_is_never_taken_holds_up_no_other(self, receiver, persist, deliver):
        receiver.answer = lambda request: 413 if request.path == "/hook/huge" else 200
        for room in ("huge", *(f"room-{number}" for number in range(10))):
            await persist(room, typed("one"))
        await deliver()
        async with asyncio.timeout(10):
            while [row.last_error for row in await rows()] != ["HTTP 413"]:
                await asyncio.sleep(0.02)

    async def test_a_damaged_room_holds_up_no_other(self, receiver, persist, deliver):
        await persist("broken", typed("one"))
        await pool.run(lambda: Segment.objects.update(sha256="0" * 64))
        await persist("essay", typed("one"))
        await deliver()
        [request] = await receiver.has(1)
        row = await row_when(lambda row: row.attempts > 0)
        assert (request.path, "damaged" in row.last_error) == ("/hook/essay", True)

    async def test_while_the_receiver_is_away_one_room_is_tried_at_a_time(
        self, receiver, persist, deliver, monkeypatch
    ):
        monkeypatch.setattr(webhooks, "LONGEST_PAUSE_SECONDS", 60.0)
        receiver.status = 503
        for number in range(50):
            await persist(f"room-{number}", typed("one"))
        await deliver()
        await asyncio.sleep(1.0)
        assert 1 <= len(receiver.requests) <= 2 * webhooks.SENDERS

    async def test_a_worker_that_ends_gives_back_what_it_sends(self, receiver, persist, site):
        receiver.answer = lambda request: None
        await persist("essay", typed("one"))
        task = asyncio.create_task(Deliverer(conf()).run())
        await receiver.has(1)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        [row] = await rows()
        assert (row.due_at <= timezone.now(), row.attempts) == (True, 0)


class TestOnce:
    async def test_all_that_is_due_is_delivered_and_it_ends(self, receiver, persist, site):
        for number in range(10):
            await persist(f"room-{number}", typed("one"))
        await persist("later", typed("one"), due_in_seconds=60)
        async with asyncio.timeout(10):
            await Deliverer(conf()).run_once()
        assert len(receiver.requests) == 10
        assert [row.room.name for row in await pool.run(lambda: list(Delivery.objects.select_related("room")))] == [
            "later"
        ]

    async def test_it_ends_soon_when_the_receiver_is_away(self, receiver, persist, site):
        receiver.status = 503
        for number in range(50):
            await persist(f"room-{number}", typed("one"))
        async with asyncio.timeout(5):
            await Deliverer(conf()).run_once()
        assert 1 <= len(receiver.requests) <= 2 * webhooks.SENDERS
        assert len(await rows()) == 50


class TestTheOutbox:
    async def test_a_row_that_was_claimed_is_nobody_else_s(self, persist, site):
        await persist("essay", typed("one"))
        assert await pool.run(outbox.claim, 60.0)
        assert await pool.run(outbox.claim, 60.0) is None

    async def test_a_row_whose_time_ran_out_is_claimed_again(self, persist, site):
        await persist("essay", typed("one"))
        late = await pool.run(outbox.claim, 0.0)
        ours = await pool.run(outbox.claim, 60.0)
        await pool.run(outbox.failed, late, "too late", 0.0)
        [row] = await rows()
        assert (row.due_at, row.attempts) == (ours.until, 0)

    async def test_a_newer_version_stays_and_is_due_after_the_debounce(self, persist, site):
        await persist("essay", typed("one"))
        parcel = await pool.run(outbox.claim, 60.0)
        await persist("essay", typed("two"))
        await pool.run(outbox.delivered, parcel, 2.0)
        [row] = await rows()
        assert timedelta() < row.due_at - timezone.now() <= timedelta(seconds=2)


class TestChecks:
    @pytest.mark.parametrize(
        "url",
        [
            "hook",
            "ftp://host/hook",
            "http:///hook",
            "http://host:port/",
            "http://host/hook?key=1",
            "http://host/a b",
            "//host",
        ],
    )
    def test_a_url_that_can_t_be_called_is_an_error_that_quotes_nothing(self, url, settings):
        settings.YREDIS = {"WEBHOOK_URL": url, "WEBHOOK_SECRET": SECRET}
        [message] = check_webhook()
        assert message.id == "yredis.E104"
        assert url not in message.msg

    def test_a_webhook_without_a_secret_is_a_warning(self, settings):
        settings.YREDIS = {"WEBHOOK_URL": "https://host/hook"}
        assert [message.id for message in check_webhook()] == ["yredis.W102"]

    def test_no_webhook_and_a_good_one_are_fine(self, settings):
        settings.YREDIS = {}
        assert check_webhook() == []
        settings.YREDIS = {"WEBHOOK_URL": "https://ann:pw@[::1]:8000/hook/", "WEBHOOK_SECRET": SECRET}
        assert check_webhook() == []

    def test_an_address_keeps_its_credentials_apart(self):
        address = Address.parse("https://ann:p%40@[::1]:8000/hook/")
        assert (address.url, address.auth) == ("https://[::1]:8000/hook", ("ann", "p@"))
        with pytest.raises(BadAddress):
            Address.parse("https://ann:p/w@host:x/")
