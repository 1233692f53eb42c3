"""Rights that change act on open connections, on every server."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from rooms import api, orders, rights
from rooms.bells import Kind
from rooms.errors import AccessDenied, DecisionUnavailable, IdentityRefused, YRedisError
from rooms.grants import Access, Grant
from rooms.hub import Hub
from rooms.metrics import counters
from rooms.orders import EVERYWHERE
from rooms.protocol import SyncStep1
from rooms.redis_client import Call, script
from tests.integration.conftest import Configure, Serve
from tests.integration.peers import READ, WRITE, Peer, eventually, settled
from tests.support.valkey import Valkey

Seated = Callable[..., Awaitable[Peer]]
ROOM, OTHER = "essay", "other"


class Site:
    """What a site says now, and how often it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str | None, Grant | Exception] = {}
        self.asked: list[tuple[str | None, float]] = []
        self.delay_seconds = 0.0

    def grant(self, room: str = ROOM, access: Access = WRITE, user_id: str | None = "ada", **more: float) -> Grant:
        """Return a grant that asks this site."""
        return Grant(room=room, access=access, user_id=user_id, renew=self.renew, **more)

    async def renew(self, token: str | None, since: float) -> Grant:
        """Decide as the test says."""
        self.asked.append((token, since))
        await asyncio.sleep(self.delay_seconds)
        answer = self.answers.get(token, self.grant())
        if isinstance(answer, Exception):
            raise answer
        return answer

    def says(self, answer: Grant | Exception, *, token: str | None = None) -> None:
        """Answer so from now on."""
        self.answers[token] = answer


@pytest.fixture
def site() -> Site:
    """A site that grants everything."""
    return Site()


@pytest.fixture
async def ada(hub: Hub, seat: Seated, site: Site) -> Peer:
    """A writer."""
    return await seat(hub, ROOM, user_id="ada", renew=site.renew)


async def closed(peer: Peer, code: int, seconds: float = 2.0) -> None:
    """Return once a connection was closed with this code."""
    await eventually(lambda: peer.code is not None, seconds)
    assert peer.code == code


class TestRecheck:
    async def test_what_is_not_allowed_any_more_closes_on_every_server(
        self, ada: Peer, other_hub: Hub, seat: Seated, site: Site
    ) -> None:
        there = await seat(other_hub, ROOM, user_id="ada", renew=site.renew)
        site.says(AccessDenied("no more"))
        await api.recheck(ROOM)
        await closed(ada, 4403)
        await closed(there, 4403)

    async def test_nothing_of_it_is_stored_from_then_on(self, ada: Peer, site: Site, hub: Hub) -> None:
        site.says(AccessDenied("no more"))
        await api.recheck(ROOM)
        await closed(ada, 4403)
        ada.add("too late")
        await settled(ada)
        assert (await hub.backend.streams.read(ROOM)).entries == []

    @pytest.mark.parametrize(("before", "after"), [(WRITE, READ), (READ, WRITE)])
    async def test_whoever_has_other_rights_comes_back_with_them(
        self, hub: Hub, seat: Seated, site: Site, before: Access, after: Access
    ) -> None:
        peer = await seat(hub, ROOM, before, user_id="ada", renew=site.renew)
        site.says(site.grant(access=after))
        await api.recheck()
        await closed(peer, 4503)

    async def test_whose_rights_are_the_same_notices_nothing(self, ada: Peer, site: Site) -> None:
        await api.recheck(ROOM)
        await eventually(lambda: site.asked)
        await asyncio.sleep(0.05)
        assert ada.code is None

    async def test_only_those_whom_it_concerns_are_asked_about(self, ada: Peer, hub: Hub, seat: Seated) -> None:
        others = [Site(), Site()]
        await seat(hub, ROOM, user_id="bob", renew=others[0].renew)
        await seat(hub, OTHER, user_id="ada", renew=others[1].renew)
        for room, user in ((ROOM, "ada"), (OTHER, "bob"), (ROOM, "eve"), ("nowhere", None)):
            await api.recheck(room, user=user)
        await api.recheck(OTHER, user="ada")
        await eventually(lambda: others[1].asked)
        assert [len(other.asked) for other in others] == [0, 1]

    async def test_many_orders_at_a_time_are_few_questions(self, ada: Peer, site: Site) -> None:
        await asyncio.gather(*(api.recheck(ROOM) for _ in range(50)))
        await eventually(lambda: site.asked)
        await asyncio.sleep(0.1)
        assert len(site.asked) < 25

    async def test_a_decision_is_never_older_than_the_order(self, ada: Peer, site: Site) -> None:
        before = time.monotonic()
        await api.recheck(ROOM)
        await eventually(lambda: site.asked)
        assert before < site.asked[-1][1] == orders.latest(ROOM, "ada")

    async def test_a_grant_that_can_not_be_renewed_stays(self, hub: Hub, seat: Seated) -> None:
        peer = await seat(hub, ROOM)
        await api.recheck()
        await asyncio.sleep(0.1)
        assert peer.code is None

    async def test_it_is_decided_anew_now_and_then_without_an_order(
        self, valkey: Valkey, configure: Configure, serve: Serve, seat: Seated, site: Site
    ) -> None:
        configure(valkey, RECHECK_SECONDS=0.3)
        peer = await seat(await serve(), ROOM, user_id="ada", renew=site.renew)
        await eventually(lambda: len(site.asked) > 2)
        site.says(AccessDenied("no more"))
        await closed(peer, 4403)

    async def test_it_is_decided_anew_after_a_broken_subscription(self, ada: Peer, site: Site, valkey: Valkey) -> None:
        """The order rang while nobody heard."""
        site.says(AccessDenied("no more"))
        with valkey.client() as client:
            client.client_kill_filter(_type="pubsub")
        await closed(ada, 4403)

    async def test_an_order_that_is_none_means_everybody(self, ada: Peer, site: Site, hub: Hub) -> None:
        site.says(AccessDenied("no more"))
        keys = hub.backend.keys
        for body in ("", "7", "[1]", "{}", "[1, 2, 3, 4]"):
            call = Call(script("order"), (keys.head(EVERYWHERE),), (keys.bell(EVERYWHERE), Kind.RECHECK.value, body))
            await hub.backend.client.run(call)
        await closed(ada, 4403)


class TestUnderLoad:
    async def test_who_floods_with_tokens_is_out_as_soon_as_anybody(self, ada: Peer, site: Site) -> None:
        """Each token takes a while to be looked at, and the next one is there already."""
        site.delay_seconds = 0.1
        site.says(AccessDenied("no more"))
        site.says(AccessDenied("no more"), token="mine")
        await api.recheck(ROOM)
        for _ in range(15):
            ada.send(b"\x79\x04mine")
            await asyncio.sleep(0.03)
        await closed(ada, 4403, seconds=1)

    async def test_bad_tokens_do_not_save_whose_identity_has_ended(self, ada: Peer, site: Site) -> None:
        site.delay_seconds = 0.1
        site.says(IdentityRefused("logged out"))
        site.says(IdentityRefused("no token"), token="nope")
        await api.recheck(ROOM)
        for _ in range(15):
            ada.send(b"\x79\x04nope")
            await asyncio.sleep(0.03)
        await closed(ada, 4401, seconds=1)

    async def test_slow_decisions_about_many_hold_up_nobody_who_is_named(self, hub: Hub, seat: Seated) -> None:
        hanging, site = Site(), Site()
        hanging.delay_seconds = 60
        for number in range(100):
            await seat(hub, f"room-{number}", user_id=f"u{number}", renew=hanging.renew)
        ada = await seat(hub, ROOM, user_id="ada", renew=site.renew)
        await api.recheck()
        await asyncio.sleep(0.2)
        assert len(hanging.asked) < 20  # the others wait for their turn
        site.says(AccessDenied("no more"))
        await api.recheck(user="ada")
        await closed(ada, 4403, seconds=1)

    async def test_a_room_about_which_nothing_can_be_told_closes_no_other(
        self, valkey: Valkey, configure: Configure, serve: Serve, seat: Seated
    ) -> None:
        configure(valkey, HANDSHAKE_SECONDS=0.3, RECHECK_SECONDS=2.0)
        hub, well, hanging = await serve(), Site(), Site()
        hanging.delay_seconds = 60
        await asyncio.gather(*(seat(hub, "sick", user_id=f"u{n}", renew=hanging.renew) for n in range(200)))
        others = [await seat(hub, f"room-{number}", user_id="ada", renew=well.renew) for number in range(20)]
        well.says(AccessDenied("no more"))
        for peer in others:
            await closed(peer, 4403, seconds=6)

    async def test_a_decision_that_hangs_is_given_up(
        self, valkey: Valkey, configure: Configure, serve: Serve, seat: Seated, site: Site
    ) -> None:
        configure(valkey, HANDSHAKE_SECONDS=0.2, RECHECK_SECONDS=0.6)
        peer = await seat(await serve(), ROOM, user_id="ada", renew=site.renew)
        site.delay_seconds = 60
        await closed(peer, 1013, seconds=4)
        assert len(site.asked) > 1


class TestUnknown:
    async def test_while_nothing_can_be_decided_it_goes_on_for_a_while(self, ada: Peer, site: Site) -> None:
        site.says(DecisionUnavailable("the callback is away"))
        await api.recheck()
        await eventually(lambda: site.asked)
        await asyncio.sleep(0.05)
        assert ada.code is None

    @pytest.mark.parametrize("error", [DecisionUnavailable("away"), RuntimeError("a bug of the site")])
    async def test_and_then_fails_closed(
        self,
        valkey: Valkey,
        configure: Configure,
        serve: Serve,
        seat: Seated,
        site: Site,
        error: Exception,
    ) -> None:
        configure(valkey, RECHECK_SECONDS=0.2)
        peer = await seat(await serve(), ROOM, user_id="ada", renew=site.renew)
        site.says(error)
        await closed(peer, 1013 if isinstance(error, YRedisError) else 1011, seconds=5)


class TestExpiry:
    async def test_it_is_closed_when_its_time_is_over(self, hub: Hub, seat: Seated) -> None:
        peer = await seat(hub, ROOM, user_id="ada", expires_at=time.time() + 0.3)
        assert peer.code is None
        await closed(peer, 4401)

    async def test_a_clock_that_is_set_back_meanwhile_makes_no_token_last_longer(
        self, hub: Hub, seat: Seated, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        peer = await seat(hub, ROOM, user_id="ada", expires_at=time.time() + 0.5)
        now = time.time
        monkeypatch.setattr(rights.time, "time", lambda: now() - 3600)
        await closed(peer, 4401)

    async def test_a_clock_that_is_set_forward_ends_it(
        self, valkey: Valkey, configure: Configure, serve: Serve, seat: Seated, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        configure(valkey, RECHECK_SECONDS=0.5)
        peer = await seat(await serve(), ROOM, user_id="ada", expires_at=time.time() + 3600)
        now = time.time
        monkeypatch.setattr(rights.time, "time", lambda: now() + 7200)
        await closed(peer, 4401)

    async def test_a_grant_that_is_over_already_is_closed_at_once(self, hub: Hub, seat: Seated) -> None:
        await closed(await seat(hub, ROOM, user_id="ada", expires_at=time.time() - 1), 4401)

    async def test_a_fresh_token_keeps_it_open(self, hub: Hub, seat: Seated, site: Site) -> None:
        peer = await seat(hub, ROOM, user_id="ada", renew=site.renew, expires_at=time.time() + 0.4)
        site.says(site.grant(expires_at=time.time() + 1.2), token="fresh")
        peer.send(b"\x79\x05fresh")
        await asyncio.sleep(0.7)
        assert (peer.code, [token for token, _ in site.asked]) == (None, ["fresh"])
        await closed(peer, 4401)

    async def test_one_that_could_not_be_looked_at_counts_when_it_can(
        self, valkey: Valkey, configure: Configure, serve: Serve, seat: Seated, site: Site
    ) -> None:
        configure(valkey, RECHECK_SECONDS=1.2)
        peer = await seat(await serve(), ROOM, user_id="ada", renew=site.renew, expires_at=time.time() + 1)
        site.says(DecisionUnavailable("the keys are away"), token="fresh")
        peer.send(b"\x79\x05fresh")
        await eventually(lambda: site.asked)
        site.says(site.grant(expires_at=time.time() + 60), token="fresh")
        await asyncio.sleep(1.2)
        assert peer.code is None

    async def test_a_token_that_is_refused_closes(self, ada: Peer, site: Site) -> None:
        site.says(IdentityRefused("expired"), token="old")
        ada.send(b"\x79\x03old")
        await closed(ada, 4401)

    async def test_the_token_of_another_user_closes(self, ada: Peer, site: Site) -> None:
        site.says(replace(site.grant(), user_id="eve"), token="eves")
        ada.send(b"\x79\x04eves")
        await closed(ada, 4401)

    @pytest.mark.parametrize("frame", [b"\x79", b"\x79\x05abc", b"\x79\x01\xff", b"\x79\x01a\x00"])
    async def test_a_malformed_one_closes(self, ada: Peer, frame: bytes) -> None:
        ada.send(frame)
        await closed(ada, 4400)


class TestKick:
    async def test_everybody_in_a_room_on_every_server(self, ada: Peer, other_hub: Hub, seat: Seated, hub: Hub) -> None:
        there, elsewhere = await seat(other_hub, ROOM), await seat(hub, OTHER)
        before = counters["kicked"]
        await api.kick(ROOM, reason="closing time")
        await closed(ada, 4403)
        await closed(there, 4403)
        assert (elsewhere.code, counters["kicked"] - before) == (None, 2)
        assert ada.writer.reason == "closing time"

    async def test_one_user_in_all_rooms(self, ada: Peer, hub: Hub, seat: Seated) -> None:
        elsewhere, bob = await seat(hub, OTHER, user_id="ada"), await seat(hub, ROOM, user_id="bob")
        await api.kick(user="ada")
        await closed(ada, 4403)
        await closed(elsewhere, 4403)
        assert bob.code is None

    async def test_who_came_with_one_token(self, ada: Peer, other_hub: Hub, seat: Seated) -> None:
        stolen = await seat(other_hub, OTHER, user_id="ada", token_id="t1")
        await api.kick(token_id="t1")
        await closed(stolen, 4403)
        assert ada.code is None

    async def test_whom_must_be_said(self) -> None:
        with pytest.raises(ValueError, match="whom"):
            await api.kick()

    async def test_a_reason_that_no_close_frame_holds_is_refused(self) -> None:
        with pytest.raises(ValueError, match="120"):
            await api.kick(ROOM, reason="ü" * 61)

    async def test_from_code_without_an_event_loop(self, ada: Peer) -> None:
        await asyncio.to_thread(api.kick_sync, ROOM)
        await closed(ada, 4403)

    async def test_recheck_from_code_without_an_event_loop(self, ada: Peer, site: Site) -> None:
        site.says(AccessDenied("no more"))
        await asyncio.to_thread(api.recheck_sync, user="ada")
        await closed(ada, 4403)


async def test_a_reader_is_never_asked_for_its_document(hub: Hub, seat: Seated) -> None:
    reader = await seat(hub, ROOM, READ)
    await asyncio.sleep(0.05)
    assert reader.count(SyncStep1) == 0
