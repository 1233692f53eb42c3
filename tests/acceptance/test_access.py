"""Who enters, with what, and how that ends: real clients, tokens of others, a site whose rights change meanwhile."""

import asyncio
import base64
import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from statistics import quantiles
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rooms import protocol
from tests.acceptance.test_bad_input import GOOD_UPDATE
from tests.integration.sites import typed
from tests.support.authority import Authority, as_json, reply
from tests.support.clients import NodeClients
from tests.support.node import environment, folder_of_node, installed_clients
from tests.support.notes import note
from tests.support.people import people
from tests.support.raw import RawClient, awareness_frame, raw_client
from tests.support.servers import Asgi
from tests.support.stack import KEYS, Stack, room
from tests.support.workers import QUICK

ISSUER, AUDIENCE = "https://auth.example.com", "rooms"
PARTNER = "https://partner.example.org"
PROMISED_SECONDS = 2.0


def lib0_key_pair() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a public and a private JWK, as `npx 0ecdsa-generate-keypair` writes them for y-redis."""
    program = installed_clients() / "node_modules" / "lib0" / "bin" / "0ecdsa-generate-keypair.js"
    command = [str(folder_of_node() / "node"), str(program)]
    printed = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout
    found = dict(re.findall(r"^(PUBLIC|PRIVATE)_KEY=(.+)$", printed, re.MULTILINE))
    return json.loads(found["PUBLIC"]), json.loads(found["PRIVATE"])


PUBLIC, PRIVATE = "public", "private"


def token_settings(key: dict[str, Any], **more: str) -> dict[str, str]:
    """Return the environment of a site that takes the tokens of these tests."""
    return {
        "YREDIS_AUTHORIZE": "authbridge.authorizer.authorize",
        "YREDIS_PERMISSION": "",
        "YREDIS_JWT_KEYS": json.dumps([{"alg": "ES384", "key": key}]),
        "YREDIS_JWT_ISSUER": ISSUER,
        "YREDIS_JWT_AUDIENCE": AUDIENCE,
        **more,
    }


@pytest.fixture(scope="module")
def keys() -> dict[str, dict[str, Any]]:
    """The key pair of the one who makes tokens."""
    return dict(zip((PUBLIC, PRIVATE), lib0_key_pair(), strict=True))


@pytest.fixture(scope="module")
def site(asgi: Asgi, keys: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two servers whose rights are Django's permissions; they log all that they can."""
    env = {
        **QUICK,
        **token_settings(keys[PUBLIC], YREDIS_JWT_USER_FIELD="username"),
        "YREDIS_ORIGINS": json.dumps([PARTNER]),
        "LOG_LEVEL": "DEBUG",
    }
    with Stack(tmp_path_factory.mktemp(f"access-{asgi}"), asgi, workers=1, env=env) as running:
        deeds = [["make", "writer", "change_room"], ["make", "reader", "view_room"], ["make", "nobody"]]
        people(running.env, *deeds)
        yield running


class Tokens:
    """Tokens as jose and lib0 make them, in Node."""

    def __init__(self, node: NodeClients, key: dict[str, Any]) -> None:
        self.node = node
        self.key = key

    @staticmethod
    def claims(**changes: Any) -> dict[str, Any]:
        """Return good claims with changes; None leaves one out."""
        good = {"iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 60, "sub": "writer"}
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    async def jose(self, *, key: Any = None, alg: str = "ES384", header: Any = None, **changes: Any) -> str:
        """Return a token by jose."""
        options = {"key": key or self.key, "alg": alg, "header": header or {}, "claims": self.claims(**changes)}
        return str(await self.node.request("signByJose", **options))

    async def lib0(self, **changes: Any) -> str:
        """Return a token by lib0."""
        return str(await self.node.request("signByLib0", key=self.key, claims=self.claims(**changes)))


@pytest.fixture
def tokens(node: NodeClients, keys: Any) -> Tokens:
    """What makes tokens."""
    return Tokens(node, keys[PRIVATE])


def offering(token: str) -> dict[str, Any]:
    """Return what a client is opened with to send a token as y-websocket can."""
    return {"protocols": ["yredis", f"yauth-{token}"]}


@pytest.fixture
async def person(site: Stack) -> str:
    """A user of one test's own, who may write."""
    name = f"person-{time.monotonic_ns()}"
    await asyncio.to_thread(people, site.env, ["make", name, "change_room"])
    return name


def contents(site: Stack, name: str) -> tuple[Any, ...]:
    """Return every byte of a room in Redis and in the store."""
    with site.redis() as client:
        return client.xrange(KEYS.room(name)), site.database.segments(name)


class TestTokens:
    async def test_one_by_jose_as_subprotocol_and_one_by_lib0_in_the_query(
        self, site: Stack, node: NodeClients, tokens: Tokens
    ) -> None:
        name = room("tokens")
        ann = await node.open("ann", site.urls[0], name, **offering(await tokens.jose()))
        bob = await node.open(
            "bob", site.urls[1], name, params={"yauth": await tokens.lib0(sub=None, yuserid="writer")}
        )
        await (await ann.synced()).insert("by jose")
        await bob.wait(text="by jose")
        await bob.insert(", by lib0")
        await ann.wait(text="by jose, by lib0")

    async def bad(self, kind: str, tokens: Tokens) -> str:
        """Return a token that is refused."""
        now = int(time.time())
        match kind:
            case "alg none":
                return f"{_part({'alg': 'none'})}.{_part(tokens.claims())}."
            case "public key as a secret":
                return await tokens.jose(key={"kty": "oct", "k": tokens.key["x"] + tokens.key["y"]}, alg="HS256")
            case "wrong key":
                return await tokens.jose(key=(await asyncio.to_thread(lib0_key_pair))[1])
            case "crit":
                return await tokens.jose(header={"crit": ["b64"], "b64": True})
            case "changed":
                head, _, signature = (await tokens.jose()).split(".")
                return f"{head}.{_part(tokens.claims(sub='admin'))}.{signature}"
        changes: dict[str, Any] = {
            "exp in milliseconds": {"exp": 1000 * (now + 60)},
            "no exp": {"exp": None},
            "no iss": {"iss": None},
            "no aud": {"aud": None},
            "another aud": {"aud": "others"},
            "far exp": {"exp": now + 10 * 86400},
            "expired": {"exp": now - 60},
            "no user": {"sub": None},
            "unknown user": {"sub": "who"},
        }
        return await tokens.lib0(**changes[kind])

    @pytest.mark.parametrize(
        "kind",
        [
            *("alg none", "public key as a secret", "wrong key", "crit", "changed", "exp in milliseconds", "no exp"),
            *("no iss", "no aud", "another aud", "far exp", "expired", "no user", "unknown user"),
        ],
    )
    async def test_a_bad_one_closes_4401_and_the_client_stays_away(
        self, site: Stack, node: NodeClients, tokens: Tokens, kind: str
    ) -> None:
        ann = await node.open("ann", site.urls[0], room("bad"), **offering(await self.bad(kind, tokens)))
        await ann.wait(ended=4401)
        assert (await ann.info())["connects"] == 1
        assert "Traceback" not in site.logged()

    async def test_what_is_no_token_closes_4401(self, site: Stack) -> None:
        for text in ("", "x", "a.b.c", "%00", "x" * 7000):
            async with raw_client(site.urls[0], f"{room('bad')}?yauth={text}") as client:
                assert await client.close_code() == 4401

    async def test_one_that_runs_out_while_the_socket_is_open(
        self, site: Stack, node: NodeClients, tokens: Tokens
    ) -> None:
        expiry = int(time.time()) + 3
        ann = await node.open("ann", site.urls[0], room("expiring"), **offering(await tokens.jose(exp=expiry)))
        await ann.synced()
        await ann.wait(ended=4401, seconds=10)
        assert 0 <= time.time() - expiry < 2

    async def test_a_fresh_one_keeps_the_socket_open(self, site: Stack, tokens: Tokens) -> None:
        old = await tokens.jose(exp=int(time.time()) + 2)
        async with raw_client(site.urls[0], room("refreshed"), subprotocols=["yredis", f"yauth-{old}"]) as client:
            assert client.socket.subprotocol == "yredis"
            await client.sync()
            fresh = (await tokens.jose()).encode()
            await client.send(bytes([121]) + protocol.wire.var_uint(len(fresh)) + fresh)
            await asyncio.sleep(3)
            await client.sync()


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


class TestRevoked:
    async def test_who_is_revoked_while_typing_is_out_on_every_server_and_stays_away(
        self, site: Stack, node: NodeClients, tokens: Tokens, person: str
    ) -> None:
        name = room("revoked")
        token = await tokens.jose(sub=person)
        clients = [
            await (await node.open(f"ann-{n}", url, name, **offering(token))).synced()
            for n, url in enumerate(site.urls)
        ]
        await clients[0].do("type", seed=1, rate=50)
        done = await asyncio.to_thread(people, site.env, ["permit", person])
        for client in clients:
            await client.wait(ended=4403, seconds=PROMISED_SECONDS)
        took = time.time() - done["at"]
        note(f"revoked: out on both servers {took:.2f} s after the commit")
        assert took < PROMISED_SECONDS
        await asyncio.sleep(3)
        assert [(await client.info())["connects"] for client in clients] == [1, 1]

    async def test_who_is_downgraded_comes_back_as_a_reader_and_changes_nothing(
        self, site: Stack, node: NodeClients, tokens: Tokens, person: str
    ) -> None:
        name = room("downgraded")
        ann = await (await node.open("ann", site.urls[0], name, **offering(await tokens.jose(sub=person)))).synced()
        await ann.insert("as a writer")
        await site.drained(name, by=ann)
        await asyncio.to_thread(people, site.env, ["permit", person, "view_room"])
        await ann.wait(closed=4503, seconds=PROMISED_SECONDS)
        await ann.wait(connects=2, synced=True)
        other = await (await node.open("bob", site.urls[1], name, **offering(await tokens.jose()))).synced()
        await other.insert("; another")
        await ann.wait(text="as a writer; another")
        await site.drained(name, by=other)
        before = contents(site, name)
        await ann.insert("; refused")
        await ann.wait(ended=4403)
        await asyncio.sleep(0.5)
        assert contents(site, name) == before
        await other.wait(text="as a writer; another")

    @pytest.mark.parametrize("deed", ["deactivate", "log out"])
    async def test_whose_account_or_session_ends_is_out(self, site: Stack, person: str, deed: str) -> None:
        [key] = (await asyncio.to_thread(people, site.env, ["log_in", person]))["results"]
        headers = {"Cookie": f"sessionid={key}", "Origin": f"http://127.0.0.1:{site.servers[0].port}"}
        async with raw_client(site.urls[0], room("ended"), additional_headers=headers) as client:
            await client.sync()
            what = ["log_out", key] if deed == "log out" else ["deactivate", person]
            done = await asyncio.to_thread(people, site.env, what)
            assert await client.close_code() == 4401
            assert time.time() - done["at"] < PROMISED_SECONDS


READER_FRAMES = {
    "sync step 1": protocol.sync_step_1(b"\0"),
    "sync step 2": protocol.sync_step_2(GOOD_UPDATE),
    "update": protocol.update(GOOD_UPDATE),
    "awareness": awareness_frame((7, 1, "{}")),
    "auth": b"\x02\x00\x01x",
    "query awareness": b"\x03",
    "token": b"\x79\x01x",
    "unknown": b"\x09",
    "nothing": b"",
    "text": "text",
}


class TestReaders:
    @pytest.mark.parametrize("kind", READER_FRAMES)
    async def test_whatever_a_reader_sends_the_room_is_the_same(
        self, site: Stack, node: NodeClients, tokens: Tokens, kind: str
    ) -> None:
        name = room("read")
        writer = await (await node.open("writer", site.urls[0], name, **offering(await tokens.jose()))).synced()
        await writer.insert("to be read")
        await site.drained(name, by=writer)
        before = contents(site, name)
        query = f"{name}?yauth={await tokens.jose(sub='reader')}"
        async with raw_client(site.urls[1], query) as reader:
            update = await reader.sync()
            await reader.send(protocol.sync_step_2(update))  # nothing new
            await reader.send(READER_FRAMES[kind])
            await reader.quiet(0.3) if kind in ("sync step 1", "awareness", "query awareness") else (
                await reader.close_code()
            )
        await asyncio.sleep(0.2)
        assert contents(site, name) == before


class TestOrigins:
    """A cookie counts only for pages of this site and of those that are allowed; a token is good from anywhere."""

    ORIGINS = {"same": "", "allowed": PARTNER, "foreign": "https://evil.example", "null": "null", "missing": None}

    async def outcome(self, site: Stack, origin: str, *, cookie: str = "", token: str = "") -> str:
        """Return how a connection ends: "in", an HTTP status, or a close code."""
        sent = self.ORIGINS[origin]
        if origin == "same":
            sent = f"http://127.0.0.1:{site.servers[0].port}"
        headers = {name: value for name, value in (("Cookie", cookie), ("Origin", sent)) if value}
        name = f"{room('origin')}{f'?yauth={token}' if token else ''}"
        try:
            async with raw_client(site.urls[0], name, additional_headers=headers) as client:
                return "in" if await self.answers(client) else f"closed {await client.close_code()}"
        except InvalidStatus as refused:
            return f"HTTP {refused.response.status_code}"

    async def answers(self, client: RawClient) -> bool:
        """Tell whether the connection is answered, rather than closed."""
        try:
            await client.sync()
        except ConnectionClosed:
            return False
        return True

    @pytest.fixture
    async def cookie(self, site: Stack) -> str:
        """The session of a user who may write."""
        [key] = (await asyncio.to_thread(people, site.env, ["log_in", "writer"]))["results"]
        return f"theme=dark; sessionid={key}"

    @pytest.mark.parametrize("origin", ORIGINS)
    async def test_with_a_cookie(self, site: Stack, cookie: str, origin: str) -> None:
        expected = "in" if origin in ("same", "allowed") else "HTTP 403"
        assert await self.outcome(site, origin, cookie=cookie) == expected

    @pytest.mark.parametrize("origin", ORIGINS)
    async def test_with_a_token(self, site: Stack, tokens: Tokens, origin: str) -> None:
        assert await self.outcome(site, origin, token=await tokens.jose()) == "in"

    @pytest.mark.parametrize("origin", ORIGINS)
    async def test_with_both_the_token_counts(self, site: Stack, cookie: str, tokens: Tokens, origin: str) -> None:
        assert await self.outcome(site, origin, cookie=cookie, token=await tokens.jose()) == "in"
        assert await self.outcome(site, origin, cookie=cookie, token="bad") == "closed 4401"

    @pytest.mark.parametrize("origin", ORIGINS)
    async def test_with_nothing(self, site: Stack, origin: str) -> None:
        assert await self.outcome(site, origin) == "closed 4403"


class TestExistence:
    async def test_a_room_that_there_is_and_one_that_there_is_not_are_refused_alike(
        self, site: Stack, node: NodeClients, tokens: Tokens
    ) -> None:
        there = room("there")
        writer = await (await node.open("writer", site.urls[0], there, **offering(await tokens.jose()))).synced()
        await writer.insert("a secret")
        await site.drained(there, by=writer)
        said = []
        for name in (there, room("not-there")):
            async with raw_client(site.urls[0], f"{name}?yauth={await tokens.jose(sub='nobody')}") as client:
                said.append((await client.close_code(), client.close_reason, client.inbox))
        assert said[0] == said[1] == (4403, "AccessDenied", [])


class TestCaps:
    """Each cap closes with 4529 whoever comes too many, and nobody who is in."""

    @pytest.mark.parametrize("cap", ["ROOM", "USER", "ADDRESS"])
    async def test_a_flood_stops_at_the_cap(self, own_stack: Any, keys: Any, tokens: Tokens, cap: str) -> None:
        settings = token_settings(keys[PUBLIC], YREDIS_PERMISSION="tests.support.access.everybody_writes")
        site = own_stack(env={**settings, f"YREDIS_MAX_SEATS_PER_{cap}": "5", "YREDIS_JWT_USER_FIELD": ""}, servers=1)
        crowded = room("crowded")
        users = {"USER": ["one"] * 30}.get(cap, [f"u{number}" for number in range(30)])
        rooms = {"ROOM": [crowded] * 30}.get(cap, [room("each") for _ in range(30)])
        async with AsyncExitStack() as stack:
            there = [
                await stack.enter_async_context(raw_client(site.urls[0], f"{name}?yauth={await tokens.jose(sub=user)}"))
                for name, user in zip(rooms, users, strict=True)
            ]
            for client in there[:5]:
                await client.sync()
            assert {await client.close_code() for client in there[5:]} == {4529}
            for client in there[:5]:
                await client.sync()

    async def test_while_one_user_floods_updates_of_others_arrive_in_time(
        self, own_stack: Any, keys: Any, tokens: Tokens
    ) -> None:
        settings = token_settings(keys[PUBLIC], YREDIS_PERMISSION="tests.support.access.everybody_writes")
        caps = {"YREDIS_MAX_SEATS_PER_USER": "5", "YREDIS_MAX_SEATS_PER_ADDRESS": "1000"}
        site = own_stack(env={**settings, **caps, "YREDIS_JWT_USER_FIELD": ""}, servers=1)
        flooded = f"{room('flooded')}?yauth={await tokens.jose(sub='one')}"
        calm = f"{room('calm')}?yauth={await tokens.jose(sub='neighbour')}"
        codes, is_over = Counter[int](), False

        async def flood() -> None:
            while not is_over:
                codes[await close_code(site, flooded)] += 1

        async with AsyncExitStack() as stack:
            ann, bob = [await stack.enter_async_context(raw_client(site.urls[0], calm)) for _ in range(2)]
            for _ in range(5):
                await stack.enter_async_context(raw_client(site.urls[0], flooded))
            before = await slowest(ann, bob)
            attackers = [asyncio.create_task(flood()) for _ in range(8)]
            during = await slowest(ann, bob)
            is_over = True
            await asyncio.gather(*attackers)
        note(
            f"flood: {codes[4529]} refused; a neighbour's p99 {before * 1000:.0f} ms before, {during * 1000:.0f} during"
        )
        assert codes.keys() == {4529}
        assert codes[4529] > 50
        assert during < before + 0.5


async def slowest(sender: RawClient, receiver: RawClient) -> float:
    """Return the p99 of the seconds that 200 updates take from the one to the other."""
    await sender.sync()
    await receiver.sync()
    seconds = list[float]()
    for number in range(200):
        began = time.monotonic()
        await sender.send(protocol.update(typed(str(number))))
        await receiver.until(lambda message: isinstance(message, protocol.Update))
        seconds.append(time.monotonic() - began)
    return quantiles(seconds, n=100)[98]


class TestCallback:
    """Another server says who may enter; while it fails for some, all others go on."""

    BAD = {
        "500": reply(b"", "500 Internal Server Error"),
        "html": reply(b"<html>rw</html>"),
        "redirect": reply(b"", "302 Found", "Location: /perm/writer"),
        "oversized": reply(b" " * 20_000 + b"{}"),
        "somebody-else": as_json({"yroom": "other", "yuserid": "writer", "yaccess": "rw"}),
    }

    @pytest.fixture
    async def authority(self) -> AsyncIterator[Authority]:
        """The other server. In rooms whose names say so it hangs, or gives a bad answer."""
        authority = Authority()
        await authority.start()
        authority.rights = {"writer": "rw"}

        async def answer(path: str) -> bytes:
            if "stuck" in path:
                await asyncio.sleep(60)
            bad = next((self.BAD[name] for name in self.BAD if f"bad-{name}" in path), None)
            return bad or await authority.permission(path)

        authority.answer = answer
        yield authority
        await authority.stop()

    @pytest.fixture
    def site(self, own_stack: Any, authority: Authority, keys: Any) -> Any:
        """A site that asks it."""
        env = token_settings(
            keys[PUBLIC],
            YREDIS_PERMISSION_CALLBACK=authority.url,
            YREDIS_CALLBACK_TIMEOUT_SECONDS="1",
            YREDIS_CALLBACK_CONNECTIONS="4",
            YREDIS_JWT_USER_FIELD="",
        )
        return own_stack(env=env, servers=1)

    @pytest.fixture
    async def inside(self, site: Any, node: NodeClients, tokens: Tokens) -> list[Any]:
        """Two clients who are in a room."""
        options = [site.urls[0], room("callback")]
        token = await tokens.jose()
        return [await (await node.open(name, *options, **offering(token))).synced() for name in ("ann", "bob")]

    async def test_one_that_hangs_refuses_for_now_and_delays_nobody_who_is_in(
        self, site: Any, authority: Authority, inside: list[Any], tokens: Tokens
    ) -> None:
        ann, bob = inside
        stuck = [f"stuck-{number}?yauth={await tokens.jose(sub=f'u{number}')}" for number in range(30)]
        asked = [asyncio.create_task(close_code(site, query)) for query in stuck]
        await asyncio.sleep(0.5)
        assert authority.busy <= 4
        await ann.insert("all the while")
        await bob.wait(text="all the while", seconds=1)
        assert set(await asyncio.gather(*asked)) == {1013}

    async def test_bad_answers_refuse_for_now_and_delay_nobody_who_is_in(
        self, site: Any, authority: Authority, inside: list[Any], tokens: Tokens
    ) -> None:
        ann, bob = inside
        token = await tokens.jose()
        asked = [asyncio.create_task(close_code(site, f"bad-{name}?yauth={token}")) for name in self.BAD]
        await ann.insert("all the while")
        await bob.wait(text="all the while", seconds=2)
        assert await asyncio.gather(*asked) == [1013] * len(self.BAD)
        assert "/perm/writer" not in authority.paths  # nobody follows a redirect


async def close_code(site: Any, query: str) -> int:
    """Return the code with which a connection ends."""
    async with raw_client(site.urls[0], query) as client:
        return await client.close_code(15)


@pytest.fixture(scope="module")
def bridge(asgi: Asgi, keys: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A site with the private key."""
    env = {
        "YREDIS_AUTHORIZE": "authbridge.authorizer.authorize",
        "YREDIS_PERMISSION": "",
        "YREDIS_JWT_KEYS": json.dumps([{"alg": "ES384", "key": keys[PRIVATE]}]),
        "YREDIS_PERM_CALLERS": json.dumps(["127.0.0.1"]),
    }
    with Stack(tmp_path_factory.mktemp(f"bridge-{asgi}"), asgi, servers=1, env=env) as running:
        deeds = [["make", "writer", "change_room"], ["make", "reader", "view_room"], ["make", "nobody"]]
        people(running.env, *deeds)
        yield running


class TestBridge:
    """The site as the auth server of a y-redis server, which verifies with lib0 and asks for permissions."""

    async def token(self, bridge: Stack, user: str) -> str:
        """Return what a page of the site gets for y-redis."""
        [key] = (await asyncio.to_thread(people, bridge.env, ["log_in", user]))["results"]
        base = f"http://127.0.0.1:{bridge.servers[0].port}"
        async with httpx.AsyncClient(base_url=base, cookies={"sessionid": key}) as browser:
            await browser.get("/sign-in")
            headers = {"X-CSRFToken": browser.cookies["csrftoken"], "Accept": "text/plain"}
            answer = await browser.post("/yauth/token", data={"format": "lib0"}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def ask(self, node: NodeClients, bridge: Stack, room: str, user_id: str) -> Any:
        """Return what y-redis gets for a question."""
        url = f"http://127.0.0.1:{bridge.servers[0].port}/yauth/perm/"
        return await node.request("askPermission", url=url, room=room, userid=user_id)

    @pytest.mark.parametrize(("user", "access"), [("writer", "rw"), ("reader", "readonly")])
    async def test_a_token_is_verified_and_its_user_asked_about(
        self, bridge: Stack, node: NodeClients, keys: Any, user: str, access: str
    ) -> None:
        token = await self.token(bridge, user)
        payload = await node.request("verifyByLib0", key=keys[PUBLIC], token=token)
        user_id = payload["yuserid"]
        answer = await self.ask(node, bridge, "essay", user_id)
        assert answer == {"yroom": "essay", "yaccess": access, "yuserid": user_id}

    @pytest.mark.parametrize("name", ["a%2Fb", "%C3%BCn%C3%AF", "a%20b", "https%3Ax", "%252e%252e"])
    async def test_a_name_reaches_us_whole(self, bridge: Stack, node: NodeClients, keys: Any, name: str) -> None:
        payload = await node.request("verifyByLib0", key=keys[PUBLIC], token=await self.token(bridge, "writer"))
        answer = await self.ask(node, bridge, name, payload["yuserid"])
        assert (answer["yroom"], answer["yaccess"]) == (unquote(name), "rw")

    async def test_who_may_nothing_and_who_is_unknown_are_refused(
        self, bridge: Stack, node: NodeClients, keys: Any
    ) -> None:
        payload = await node.request("verifyByLib0", key=keys[PUBLIC], token=await self.token(bridge, "nobody"))
        for user_id in (payload["yuserid"], "0", "user1"):
            with pytest.raises(Exception, match="JSON"):
                await self.ask(node, bridge, "essay", user_id)
