"""Key sets of another server: who has a good token waits for nobody else's, and keys that can't be checked end."""

import asyncio
import time
from collections.abc import AsyncIterator

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from authbridge import jwks
from authbridge.jwks import KeySets
from authbridge.keys import Source
from rooms.errors import DecisionUnavailable
from tests.integration.conftest import Configure
from tests.support.authority import Authority, as_json, reply
from tests.support.valkey import Valkey

TIMEOUT_SECONDS = 2.0
AT_ONCE_SECONDS = 0.5


class Publisher:
    """A server that publishes keys, hangs, or fails."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.kids = ["old"]
        self.status = "200 OK"
        self.hangs = False
        authority.answer = self.answer

    async def answer(self, path: str) -> bytes:
        if self.hangs:
            await asyncio.sleep(30)
        if self.status != "200 OK":
            return reply(b"", self.status)
        key = ec.generate_private_key(ec.SECP384R1()).public_key()
        public = jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True)
        return as_json({"keys": [{**public, "kid": kid} for kid in self.kids]})

    @property
    def asked(self) -> int:
        return len(self.authority.paths)


@pytest.fixture
def publisher(authority: Authority, valkey: Valkey, configure: Configure) -> Publisher:
    """A server of keys."""
    configure(valkey, CALLBACK_TIMEOUT_SECONDS=TIMEOUT_SECONDS)
    return Publisher(authority)


@pytest.fixture
async def sets() -> AsyncIterator[KeySets]:
    """What a server process knows of it."""
    sets = KeySets()
    yield sets
    await sets.aclose()


def nothing_lasts(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let these times be over at once."""
    for name in names:
        monkeypatch.setattr(jwks, name, 0.0)


async def kids(sets: KeySets, publisher: Publisher, kid: str | None = "old") -> set[str | None]:
    """Return the ids of the keys that a token may be tried with."""
    keys, _ = await sets.keys(Source("ES384", url=publisher.authority.url), kid)
    return {key.kid for key in keys}


async def test_many_who_wait_for_the_first_keys_ask_once(sets: KeySets, publisher: Publisher) -> None:
    answers = await asyncio.gather(*(kids(sets, publisher) for _ in range(50)))
    assert answers == [{"old"}] * 50
    assert publisher.asked == 1


async def test_a_made_up_key_id_holds_up_nobody_else(
    sets: KeySets, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "AGAIN_SECONDS", 0.0)
    await kids(sets, publisher)
    publisher.hangs = True
    attack = asyncio.create_task(kids(sets, publisher, "made up"))
    await asyncio.sleep(0)
    started = time.monotonic()
    assert await kids(sets, publisher) == {"old"}
    assert time.monotonic() - started < AT_ONCE_SECONDS
    assert not attack.done()
    assert await attack == {"old"}  # no answer: what is known is all there is


async def test_keys_that_are_no_longer_fresh_are_used_while_they_are_asked_for(
    sets: KeySets, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kids(sets, publisher)
    nothing_lasts(monkeypatch, "AGAIN_SECONDS", "FRESH_SECONDS")
    publisher.kids = ["new"]
    assert await kids(sets, publisher) == {"old"}
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while await kids(sets, publisher) != {"new"}:
            await asyncio.sleep(0.01)


async def test_a_withdrawn_key_is_refused_when_its_time_is_over(
    sets: KeySets, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kids(sets, publisher)
    nothing_lasts(monkeypatch, "AGAIN_SECONDS", "FRESH_SECONDS", "KEEP_SECONDS")
    publisher.kids = ["new"]
    assert await kids(sets, publisher) == {"new"}


async def test_a_server_that_is_away_delays_nobody_whose_key_is_known(
    sets: KeySets, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kids(sets, publisher)
    nothing_lasts(monkeypatch, "FRESH_SECONDS", "KEEP_SECONDS")
    monkeypatch.setattr(jwks, "AGAIN_SECONDS", 0.2)
    await asyncio.sleep(0.2)
    publisher.status = "503 Away"
    assert await kids(sets, publisher) == {"old"}
    publisher.hangs = True
    await asyncio.sleep(0.2)
    started = time.monotonic()
    assert await kids(sets, publisher) == {"old"}
    assert time.monotonic() - started < AT_ONCE_SECONDS


async def test_a_key_that_was_withdrawn_while_nobody_came_is_refused(
    sets: KeySets, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last question failed, but that was long ago."""
    await kids(sets, publisher)
    publisher.status = "503 Away"
    nothing_lasts(monkeypatch, "AGAIN_SECONDS", "FRESH_SECONDS", "KEEP_SECONDS")
    assert await kids(sets, publisher) == {"old"}
    publisher.status, publisher.kids = "200 OK", ["new"]
    await asyncio.sleep(0.01)
    assert await kids(sets, publisher) == {"new"}


async def test_keys_whose_server_is_away_for_too_long_let_nobody_in(
    sets: KeySets, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kids(sets, publisher)
    publisher.status = "503 Away"
    nothing_lasts(monkeypatch, "RETRY_SECONDS", "FRESH_SECONDS", "KEEP_SECONDS", "LOSE_SECONDS")
    with pytest.raises(DecisionUnavailable):
        await kids(sets, publisher)
    publisher.status = "200 OK"
    monkeypatch.setattr(jwks, "LOSE_SECONDS", 3600.0)
    monkeypatch.setattr(jwks, "AGAIN_SECONDS", 0.0)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while await kids(sets, publisher) != {"old"}:
            await asyncio.sleep(0.01)


async def test_keys_that_could_not_be_had_are_asked_for_again_soon(
    sets: KeySets, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "RETRY_SECONDS", 0.2)
    publisher.status = "503 Not Yet"
    for _ in range(3):
        with pytest.raises(DecisionUnavailable):
            await kids(sets, publisher)
    assert publisher.asked == 1
    publisher.status = "200 OK"
    await asyncio.sleep(0.3)
    assert await kids(sets, publisher) == {"old"}
