"""Who is in a room: each connection speaks for its own client ids, and is gone when it is gone."""

import asyncio
import time

import pytest

from rooms import presence as module
from rooms.awareness import GONE, State
from rooms.conf import Conf
from rooms.errors import MalformedFrame, RedisUnavailable, TooMuch
from rooms.keys import Keys
from rooms.metrics import Count, counters
from rooms.presence import KEEP_SECONDS, MAX_CLOCK, OWN_CLIENTS, Presence, Speaker
from rooms.redis_client import Call
from rooms.wire import MAX_SAFE_INTEGER

ANN = Speaker("server-1", "ann-1", "ann")
ANN_AGAIN = Speaker("server-1", "ann-2", "ann")
ANN_ELSEWHERE = Speaker("server-2", "ann-3", "ann")
BOB = Speaker("server-1", "bob-1", "bob")
SOMEBODY = Speaker("server-1", "somebody-1", "")
SOMEBODY_ELSE = Speaker("server-1", "somebody-2", "")


def here(client: int, clock: int = 1) -> State:
    return State(client, clock, b'{"user":{}}')


def gone(client: int, clock: int) -> State:
    return State(client, clock, GONE)


class Recorder:
    """Stands where Redis does: keeps the calls, and answers when it may."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.failures = 0

    async def run(self, call: Call) -> int:
        if self.failures:
            self.failures -= 1
            await self.may_answer.wait()
            raise RedisUnavailable("away")
        self.calls.append(call)
        await self.may_answer.wait()
        return 1

    @property
    def bodies(self) -> list[bytes]:
        """The bells' bodies."""
        return [call.arguments[2] for call in self.calls]

    @property
    def fields(self) -> dict[str, bytes]:
        """What the hash for newcomers has after all calls; b"" where a client was taken out."""
        return {k: v for call in self.calls for k, v in zip(call.arguments[3::2], call.arguments[4::2], strict=True)}


class Place:
    """A room's presence on one server, and on another that hears the same bells."""

    def __init__(self, **settings: object) -> None:
        self.redis = Recorder()
        conf = Conf(**settings)
        self.own = Presence("essay", self.redis, Keys.of(conf), conf)  # type: ignore[arg-type]
        self.other = Presence("essay", self.redis, Keys.of(conf), conf)  # type: ignore[arg-type]
        self._rung = 0

    async def ring(self) -> list[State]:
        """Publish what waits and let both servers hear it; return what the clients of the other one are told."""
        await self.settled()
        new, self._rung = self.redis.bodies[self._rung :], len(self.redis.bodies)
        for body in new:
            self.own.take(body)
        return [state for body in new for state in self.other.take(body)]

    async def settled(self) -> None:
        """Wait until all that was said is published."""
        async with asyncio.timeout(1):
            while not self.own.is_settled:
                await asyncio.sleep(0.001)

    async def say(self, speaker: Speaker, *states: State) -> list[State]:
        """Let a connection say something; return what clients elsewhere are told."""
        self.own.hear(speaker, list(states))
        return await self.ring()


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Don't wait between two bells."""
    monkeypatch.setattr(module, "PUBLISH_SECONDS", 0)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0)


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
async def place():
    return Place()


class TestOwnClients:
    """The first ids that a connection names are its own."""

    async def test_a_state_is_told_to_every_server(self, place):
        assert await place.say(ANN, here(1)) == [here(1)]
        assert place.own.states() == place.other.states() == [here(1)]

    async def test_a_newer_state_replaces_the_old(self, place):
        await place.say(ANN, here(1, clock=1))
        assert await place.say(ANN, here(1, clock=2)) == [here(1, clock=2)]

    async def test_an_older_or_equal_clock_is_no_news(self, place):
        await place.say(ANN, here(1, clock=5))
        assert await place.say(ANN, here(1, clock=5), here(1, clock=4)) == []

    async def test_a_client_may_remove_itself_with_the_clock_it_has(self, place):
        await place.say(ANN, here(1, clock=5))
        assert await place.say(ANN, gone(1, clock=5)) == [gone(1, clock=5)]
        assert place.own.states() == place.other.states() == []

    async def test_of_several_states_in_one_tick_the_newest_is_published(self, place):
        for clock in range(1, 10):
            place.own.hear(ANN, [here(1, clock)])
        assert await place.ring() == [here(1, clock=9)]
        assert len(place.redis.calls) == 1

    async def test_a_connection_speaks_for_a_few_clients_only(self, place):
        told = await place.say(ANN, *(here(client) for client in range(OWN_CLIENTS + 5)))
        assert [state.client for state in told] == list(range(OWN_CLIENTS))

    async def test_the_limit_holds_for_the_life_of_the_connection(self, place):
        await place.say(ANN, *(here(client) for client in range(OWN_CLIENTS)))
        await place.say(ANN, gone(0, clock=1))
        assert await place.say(ANN, here(99)) == []

    async def test_the_limit_holds_while_redis_is_slow(self, place):
        place.redis.may_answer.clear()
        for client in range(OWN_CLIENTS * 3):
            place.own.hear(ANN, [here(client)])
            await asyncio.sleep(0)
        place.redis.may_answer.set()
        assert len(await place.ring()) == OWN_CLIENTS


class TestForeignClients:
    """y-websocket re-sends everybody's states: what is another's is dropped in silence."""

    async def test_a_state_of_another_connection_is_dropped_and_counted(self, place):
        await place.say(ANN, here(1))
        before = counters[Count.AWARENESS_FOREIGN]
        assert await place.say(BOB, here(1, clock=9)) == []
        assert counters[Count.AWARENESS_FOREIGN] == before + 1

    async def test_nobody_removes_another(self, place):
        await place.say(ANN, here(1))
        assert await place.say(BOB, gone(1, clock=9)) == []
        assert place.other.states() == [here(1)]

    async def test_own_states_among_foreign_ones_are_taken(self, place):
        await place.say(ANN, here(1))
        assert await place.say(BOB, here(1), here(2)) == [here(2)]

    async def test_a_removal_of_somebody_unknown_is_dropped(self, place):
        assert await place.say(ANN, gone(7, clock=3)) == []

    async def test_a_foreign_state_need_not_even_be_json(self, place):
        await place.say(ANN, here(1))
        assert await place.say(BOB, State(1, 9, b"{")) == []

    async def test_unknown_users_are_never_the_same_user(self, place):
        await place.say(SOMEBODY, here(1))
        assert await place.say(SOMEBODY_ELSE, here(1, clock=2)) == []

    async def test_a_room_of_thousands_costs_a_joiner_no_time(self, place):
        many = [here(client) for client in range(3_000)]
        for state in many:
            place.own.hear(Speaker("server-1", f"c{state.client}", f"u{state.client}"), [state])
        await place.ring()
        before = time.process_time()
        await place.say(SOMEBODY, *many)
        assert time.process_time() - before < 0.3


class TestComingBack:
    """A client that reconnects keeps its id, and may come before its old connection is known to be gone."""

    async def test_a_newer_connection_of_the_same_user_takes_its_first_id_over(self, place):
        await place.say(ANN, here(1, clock=5))
        assert await place.say(ANN_AGAIN, here(1, clock=6)) == [here(1, clock=6)]

    async def test_what_was_taken_over_does_not_leave_with_the_old_connection(self, place):
        await place.say(ANN, here(1, clock=5))
        await place.say(ANN_AGAIN, here(1, clock=6))
        place.own.leave(ANN)
        assert await place.ring() == []

    async def test_only_the_first_id_is_taken_over(self, place):
        await place.say(ANN, here(1))
        assert await place.say(ANN_AGAIN, here(2), here(1, clock=9)) == [here(2)]

    async def test_only_the_first_id_is_taken_over_while_redis_is_slow_too(self, place):
        await place.say(ANN, here(1))
        place.redis.may_answer.clear()
        place.own.hear(ANN_AGAIN, [here(2)])
        await asyncio.sleep(0)
        place.own.hear(ANN_AGAIN, [here(1, clock=9)])
        place.redis.may_answer.set()
        assert await place.ring() == [here(2)]

    async def test_another_user_takes_nothing_over(self, place):
        await place.say(ANN, here(1, clock=5))
        assert await place.say(BOB, here(1, clock=6)) == []

    async def test_on_another_server_it_is_the_same(self, place):
        await place.say(ANN, here(1, clock=5))
        assert place.other.hear(ANN_ELSEWHERE, [here(1, clock=6)]) == []
        await asyncio.sleep(0.01)
        assert place.own.take(place.redis.bodies[-1]) == [here(1, clock=6)]

    async def test_who_was_removed_comes_back_with_a_newer_clock(self, place):
        await place.say(SOMEBODY, here(1, clock=5))
        place.own.leave(SOMEBODY)
        await place.ring()
        assert await place.say(SOMEBODY_ELSE, here(1, clock=7)) == [here(1, clock=7)]

    @pytest.mark.parametrize("clock", [4, 5, 6])
    async def test_who_comes_back_with_an_old_clock_is_shown_its_own_removal(self, place, clock):
        await place.say(SOMEBODY, here(1, clock=5))
        place.own.leave(SOMEBODY)
        await place.ring()
        assert place.own.hear(SOMEBODY_ELSE, [here(1, clock)]) == [gone(1, clock=6)]
        assert await place.ring() == []

    async def test_who_repeats_an_old_removal_is_answered_nothing(self, place):
        await place.say(ANN, here(1, clock=5), gone(1, clock=5))
        assert place.own.hear(BOB, [gone(1, clock=5)]) == []


class TestLeaving:
    """A closing tab says nothing, so the server does."""

    async def test_every_client_of_a_connection_is_removed_with_the_next_clock(self, place):
        await place.say(ANN, here(1, clock=5), here(2, clock=8))
        place.own.leave(ANN)
        assert await place.ring() == [gone(1, clock=6), gone(2, clock=9)]

    async def test_others_stay(self, place):
        await place.say(ANN, here(1))
        await place.say(BOB, here(2))
        place.own.leave(ANN)
        await place.ring()
        assert place.own.states() == place.other.states() == [here(2)]

    async def test_a_state_that_was_not_published_yet_is_removed_too(self, place):
        place.own.hear(ANN, [here(1, clock=1)])
        place.own.leave(ANN)
        await place.ring()
        assert place.other.states() == []

    async def test_a_state_on_its_way_to_redis_is_removed_behind_it(self, place):
        place.redis.may_answer.clear()
        place.own.hear(ANN, [here(1, clock=1)])
        await asyncio.sleep(0)
        place.own.leave(ANN)
        place.redis.may_answer.set()
        assert await place.ring() == [here(1, clock=1), gone(1, clock=2)]

    async def test_a_removal_is_told_even_if_the_bell_before_it_rings_late(self, place):
        place.redis.may_answer.clear()
        place.own.hear(ANN, [here(1, clock=5)])
        await asyncio.sleep(0)
        place.own.hear(ANN, [gone(1, clock=5)])
        place.own.take(place.redis.bodies[0])
        place.redis.may_answer.set()
        assert (await place.ring())[-1] == gone(1, clock=5)

    async def test_a_state_whose_bell_was_not_heard_yet_is_removed_behind_it(self, place):
        place.own.hear(ANN, [here(1, clock=1)])
        await place.settled()
        place.own.leave(ANN)
        assert (await place.ring())[-1] == gone(1, clock=2)

    async def test_who_left_already_is_not_removed_again(self, place):
        await place.say(ANN, here(1), gone(1, clock=1))
        place.own.leave(ANN)
        assert await place.ring() == []

    async def test_who_said_nothing_leaves_without_a_word(self, place):
        place.own.leave(ANN)
        assert await place.ring() == []
        assert place.redis.calls == []

    async def test_the_clients_of_a_dead_server_are_removed(self, place):
        await place.say(ANN, here(1, clock=5))
        await place.say(ANN_ELSEWHERE, here(2, clock=5))
        place.own.bury("server-2")
        assert await place.ring() == [gone(2, clock=6)]


class TestClocks:
    """JavaScript counts to 2^53 - 1, and stock clients send on what they are sent."""

    async def test_no_clock_is_ever_told_that_a_client_may_not_send_on(self, place):
        await place.say(ANN, here(1, clock=MAX_SAFE_INTEGER), here(2, clock=MAX_CLOCK))
        place.own.leave(ANN)
        told = await place.ring()
        # A client whose own state is removed answers with the next clock: that must be sendable too.
        assert [state.client for state in told] == [2]
        assert told[0].clock + 1 < MAX_SAFE_INTEGER


class TestLimits:
    """A state over its size is dropped; one many times over it closes its connection."""

    async def test_a_state_of_the_size_that_is_allowed_is_taken(self):
        place, state = Place(max_awareness_bytes=10), State(1, 1, b'"12345678"')
        assert await place.say(ANN, state) == [state]

    async def test_a_larger_one_is_dropped_and_counted(self):
        place, before = Place(max_awareness_bytes=10), counters[Count.AWARENESS_TOO_BIG]
        assert await place.say(ANN, State(1, 1, b'"123456789"')) == []
        assert counters[Count.AWARENESS_TOO_BIG] == before + 1

    async def test_the_others_in_the_same_message_are_taken(self):
        place = Place(max_awareness_bytes=11)
        assert await place.say(ANN, State(1, 1, b'"1234567890"'), here(2)) == [here(2)]

    async def test_one_of_many_times_the_size_is_too_much(self):
        place = Place(max_awareness_bytes=10)
        with pytest.raises(TooMuch):
            place.own.hear(ANN, [State(1, 1, b"1" * 101)])

    async def test_without_a_limit_any_size_is_taken(self):
        place, state = Place(max_awareness_bytes=0), State(1, 1, b'"' + b"x" * 100_000 + b'"')
        assert await place.say(ANN, state) == [state]

    @pytest.mark.parametrize("value", [b"", b"{", b"NaN", b'"\xff"', b"[" * 10_000])
    async def test_an_own_state_that_is_no_json_is_malformed(self, place, value):
        with pytest.raises(MalformedFrame):
            place.own.hear(ANN, [State(1, 1, value)])


class TestPublishing:
    """With the bell to all servers, and into a hash for newcomers."""

    async def test_the_hash_has_who_is_here(self, place):
        await place.say(ANN, here(1))
        assert place.other.take(place.redis.fields["1"]) == []
        assert place.other.states() == [here(1)]

    async def test_who_left_is_taken_out_of_the_hash(self, place):
        await place.say(ANN, here(1))
        place.own.leave(ANN)
        await place.ring()
        assert place.redis.fields == {"1": b""}

    async def test_the_keys_are_the_rooms(self, place):
        await place.say(ANN, here(1))
        keys, [call] = Keys.of(Conf()), place.redis.calls
        assert call.keys == (keys.awareness("essay"), keys.head("essay"))
        assert call.arguments[:2] == (keys.bell("essay"), KEEP_SECONDS * 1000)

    async def test_nothing_is_lost_while_redis_is_away(self, place):
        place.redis.failures = 3
        place.own.hear(ANN, [here(1)])
        assert await place.ring() == [here(1)]

    async def test_what_was_said_meanwhile_is_newer_than_what_failed(self, place):
        place.redis.may_answer.clear()
        place.redis.failures = 1
        place.own.hear(ANN, [here(1, clock=1)])
        await asyncio.sleep(0)
        place.own.hear(ANN, [here(1, clock=2)])
        place.redis.may_answer.set()
        assert await place.ring() == [here(1, clock=2)]

    @pytest.mark.parametrize("body", [b"", b"\xc1", b"\x91\x01", b"\x05", b"\x91\x92\x01\x02"])
    async def test_a_body_of_another_release_is_left_out_and_counted(self, place, body):
        before = counters[Count.BELLS_UNREADABLE]
        assert place.other.take(body) == []
        assert counters[Count.BELLS_UNREADABLE] == before + 1


class TestForgetting:
    """States that nobody renews are forgotten, as clients do after 30 s."""

    async def test_who_did_not_renew_its_state_is_not_shown_to_newcomers(self, place, clock):
        await place.say(ANN, here(1))
        clock.now += KEEP_SECONDS + 1
        assert place.own.states() == []

    async def test_who_renewed_its_state_is(self, place, clock):
        await place.say(ANN, here(1, clock=1))
        clock.now += KEEP_SECONDS - 1
        await place.say(ANN, here(1, clock=2))
        clock.now += 2
        assert place.own.states() == [here(1, clock=2)]
