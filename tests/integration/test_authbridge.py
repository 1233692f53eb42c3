"""authbridge on a real database: who somebody is, what they may do, and how changes of both act on open sockets."""

import asyncio
import base64
import re
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client

from authbridge import jwks, sessions
from authbridge.authorizer import authorize
from rooms import orders, pool
from rooms.errors import AccessDenied, DecisionUnavailable, IdentityRefused
from rooms.grants import Access, Grant
from rooms.hub import Hub
from rooms.models import Room
from tests.integration.conftest import Configure, Serve
from tests.integration.peers import MemoryWriter, eventually
from tests.support.authority import Authority, as_json, reply
from tests.support.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)

Asked = Callable[..., Awaitable[Grant]]
SECRET = "a secret of at least thirty-two bytes"
ROOM = "team/essay"


@pytest.fixture
def site(valkey: Valkey, configure: Configure) -> Callable[..., None]:
    """A site with authbridge; called again, it changes the settings."""

    def configured(**changes: Any) -> None:
        configure(
            valkey,
            **{
                "AUTHORIZE": "authbridge.authorizer.authorize",
                "JWT_KEYS": [{"alg": "HS256", "key": SECRET}],
                "JWT_ISSUER": "i",
                "JWT_AUDIENCE": "a",
                "ACCESS_CACHE_SECONDS": 0,
                **changes,
            },
        )

    configured()
    return configured


def token(**claims: Any) -> str:
    """Return a token of the user `ada`."""
    return jwt.encode({"sub": "ada", "iss": "i", "aud": "a", "exp": int(time.time()) + 60, **claims}, SECRET)


def scope(*, session: str = "", yauth: str = "", origin: str = "http://here", host: str = "here") -> dict[str, Any]:
    """Return a connection's scope."""
    headers = [(b"host", host.encode())]
    if origin:
        headers.append((b"origin", origin.encode()))
    if session:
        headers.append((b"cookie", f"a=b; sessionid={session}".encode()))
    return {"type": "websocket", "headers": headers, "subprotocols": ["yredis", f"yauth-{yauth}"] if yauth else []}


def user_with(*permissions: str, name: str = "ada", **more: Any) -> Any:
    """Return a user who has permissions on rooms."""
    user = get_user_model().objects.create_user(name, **more)
    for permission in permissions:
        user.user_permissions.add(Permission.objects.get(codename=permission))
    return user


def session_of(user: Any) -> str:
    """Log a user in; return the session's key."""
    client = Client()
    client.force_login(user)
    return str(client.session.session_key)


class TestSessions:
    @pytest.mark.parametrize(
        ("permissions", "access"),
        [(("change_room",), Access.WRITE), (("view_room",), Access.READ), (("view_room", "change_room"), Access.WRITE)],
    )
    async def test_permissions_on_rooms_decide(self, site: Any, permissions: tuple[str, ...], access: Access) -> None:
        user = await pool.run(user_with, *permissions, first_name="Ada", last_name="L.")
        grant = await authorize(scope(session=await pool.run(session_of, user)), ROOM)
        assert (grant.access, grant.user_id, grant.display_name) == (access, str(user.pk), "Ada L.")

    async def test_a_group_is_enough_and_a_superuser_may_everything(self, site: Any) -> None:
        def users() -> list[str]:
            group = Group.objects.create(name="writers")
            group.permissions.add(Permission.objects.get(codename="change_room"))
            ada, root = user_with(), user_with(name="root", is_superuser=True)
            ada.groups.add(group)
            return [session_of(ada), session_of(root)]

        for key in await pool.run(users):
            assert (await authorize(scope(session=key), ROOM)).may_write

    async def test_without_permissions_nobody_enters(self, site: Any) -> None:
        key = await pool.run(lambda: session_of(user_with()))
        with pytest.raises(AccessDenied):
            await authorize(scope(session=key), ROOM)

    @pytest.mark.parametrize("key", ["", "unknown", "x" * 100, "\x00", "../etc"])
    async def test_a_session_that_is_none_is_nobody(self, site: Any, key: str) -> None:
        site(IDENTITY=["session"])
        with pytest.raises(IdentityRefused):
            await authorize(scope(session=key), ROOM)

    async def test_somebody_who_is_not_active_is_nobody(self, site: Any) -> None:
        site(IDENTITY=["session"])

        def deactivated() -> str:
            user = user_with("change_room")
            key = session_of(user)
            get_user_model().objects.update(is_active=False)
            return key

        with pytest.raises(IdentityRefused):
            await authorize(scope(session=await pool.run(deactivated)), ROOM)

    async def test_after_a_change_of_the_password_the_session_is_nobodys_and_is_left_alone(self, site: Any) -> None:
        site(IDENTITY=["session"])

        def changed() -> str:
            user = user_with("change_room")
            key = session_of(user)
            user.set_password("new")
            user.save()
            return key

        key = await pool.run(changed)
        with pytest.raises(IdentityRefused):
            await authorize(scope(session=key), ROOM)
        assert await pool.run(SessionStore().exists, key)

    async def test_a_key_that_is_renewed_costs_nobody_their_session(self, site: Any, settings: Any) -> None:
        key = await pool.run(lambda: session_of(user_with("change_room")))
        settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "new" * 20
        assert (await authorize(scope(session=key), ROOM)).may_write
        assert await pool.run(SessionStore().exists, key)

    @pytest.mark.parametrize("origin", ["http://evil", "null", "", "http://here.evil", "https://here:444"])
    async def test_a_page_of_another_origin_can_not_use_the_cookie(self, site: Any, origin: str) -> None:
        key = await pool.run(lambda: session_of(user_with("change_room")))
        with pytest.raises(AccessDenied, match="Origin"):
            await authorize(scope(session=key, origin=origin), ROOM)

    async def test_an_origin_that_is_allowed_can(self, site: Any) -> None:
        site(ORIGINS=["https://partner.org"])
        key = await pool.run(lambda: session_of(user_with("change_room")))
        assert (await authorize(scope(session=key, origin="https://partner.org"), ROOM)).may_write

    @pytest.mark.parametrize("origin", ["http://evil", "null", ""])
    async def test_a_token_may_come_from_anywhere(self, site: Any, origin: str) -> None:
        site(PERMISSION="tests.support.access.everybody_writes")
        assert (await authorize(scope(yauth=token(), origin=origin), ROOM)).user_id == "ada"


class TestOrder:
    async def test_a_token_comes_before_the_session_and_is_never_ignored(self, site: Any) -> None:
        site(PERMISSION="tests.support.access.everybody_writes")
        user = await pool.run(user_with, "change_room")
        key = await pool.run(session_of, user)
        assert (await authorize(scope(session=key, yauth=token()), ROOM)).user_id == "ada"
        with pytest.raises(IdentityRefused):
            await authorize(scope(session=key, yauth="nonsense"), ROOM)
        site(PERMISSION="tests.support.access.everybody_writes", IDENTITY=["session", "jwt"])
        assert (await authorize(scope(session=key, yauth=token()), ROOM)).user_id == str(user.pk)

    async def test_whoever_is_nobody_is_asked_about_as_such(self, site: Any) -> None:
        site(PERMISSION="tests.support.access.everybody_writes")
        assert (await authorize(scope(), ROOM)).user_id is None
        site(PERMISSION="tests.support.access.everybody_writes", IDENTITY=["jwt", "session"])
        with pytest.raises(IdentityRefused):
            await authorize(scope(), ROOM)


class TestTokens:
    async def test_the_user_of_a_token_is_one_of_djangos_where_a_field_says_so(self, site: Any) -> None:
        site(JWT_USER_FIELD="username")
        user = await pool.run(user_with, "view_room")
        grant = await authorize(scope(yauth=token()), ROOM)
        assert (grant.access, grant.user_id) == (Access.READ, str(user.pk))

    @pytest.mark.parametrize("sub", ["nobody", "0", "x" * 500])
    async def test_one_that_is_unknown_is_refused(self, site: Any, sub: str) -> None:
        for name in ("username", "pk"):
            site(JWT_USER_FIELD=name)
            with pytest.raises(IdentityRefused):
                await authorize(scope(yauth=token(sub=sub)), ROOM)

    async def test_one_that_is_not_active_is_refused(self, site: Any) -> None:
        site(JWT_USER_FIELD="username")
        await pool.run(user_with, "view_room", is_active=False)
        with pytest.raises(IdentityRefused):
            await authorize(scope(yauth=token()), ROOM)

    async def test_without_a_field_a_token_has_no_permissions_of_djangos(self, site: Any) -> None:
        await pool.run(user_with, "change_room")
        with pytest.raises(AccessDenied):
            await authorize(scope(yauth=token()), ROOM)

    async def test_a_token_for_some_rooms_is_for_no_other(self, site: Any) -> None:
        site(PERMISSION="tests.support.access.everybody_writes")
        mine = scope(yauth=token(yrooms=[ROOM]))
        assert (await authorize(mine, ROOM)).may_write
        with pytest.raises(AccessDenied):
            await authorize(mine, "other")

    async def test_it_ends_with_the_token(self, site: Any) -> None:
        site(PERMISSION="tests.support.access.everybody_writes")
        expiry = int(time.time()) + 30
        grant = await authorize(scope(yauth=token(exp=expiry)), ROOM)
        assert grant.expires_at == expiry
        assert grant.renew is not None
        fresh = await grant.renew(token(exp=expiry + 10), time.monotonic())
        assert fresh.expires_at == expiry + 10


class TestCallback:
    @pytest.fixture(autouse=True)
    def asks(self, site: Any, authority: Authority) -> None:
        """The site asks it."""
        site(PERMISSION_CALLBACK=authority.url, CALLBACK_TIMEOUT_SECONDS=0.5, CALLBACK_CONNECTIONS=4)

    @pytest.mark.parametrize(("answer", "access"), [("rw", Access.WRITE), ("readonly", Access.READ)])
    async def test_it_decides(self, authority: Authority, answer: str, access: Access) -> None:
        authority.rights["ada"] = answer
        assert (await authorize(scope(yauth=token()), ROOM)).access is access
        assert authority.paths == ["/perm/team%2Fessay/ada"]

    @pytest.mark.parametrize("answer", ["none", "", "RW", "write", None, 1, ["rw"], {"rw": 1}])
    async def test_everything_else_is_no_access(self, authority: Authority, answer: Any) -> None:
        authority.rights["ada"] = answer
        with pytest.raises(AccessDenied):
            await authorize(scope(yauth=token()), ROOM)

    async def test_about_nobody_it_is_not_asked(self, authority: Authority) -> None:
        with pytest.raises(AccessDenied):
            await authorize(scope(), ROOM)
        assert authority.paths == []

    @pytest.mark.parametrize(
        "room", ["https:x", "\\\\x", "%2e%2e", "..%2f..", "a?b=c#d", "a b", "ünï", "@evil", "a;b", ".x"]
    )
    async def test_a_name_is_one_segment_of_the_path_whatever_is_in_it(self, authority: Authority, room: str) -> None:
        authority.rights["ada/../é"] = "rw"
        assert (await authorize(scope(yauth=token(sub="ada/../é")), room)).may_write
        [path] = authority.paths
        assert path.startswith("/perm/")
        assert path.count("/") == 3
        assert path.endswith("/ada%2F..%2F%C3%A9")
        assert not set(path) & set("?#\\@; ")

    @pytest.mark.parametrize(("room", "user"), [(".", "ada"), ("..", "ada"), ("essay", "."), ("essay", "..")])
    async def test_dots_are_not_asked_about(self, authority: Authority, room: str, user: str) -> None:
        with pytest.raises(AccessDenied):
            await authorize(scope(yauth=token(sub=user)), room)
        assert authority.paths == []

    GOOD = {"yroom": ROOM, "yuserid": "ada", "yaccess": "rw"}
    BAD = {
        "500": reply(b"", "500 Internal Server Error"),
        "401": reply(b'{"yaccess": "rw"}', "401 Unauthorized"),
        "204": reply(b"", "204 No Content"),
        "HTML": reply(b"<html>rw</html>"),
        "nothing": reply(b""),
        "a list": as_json([GOOD]),
        "deep": reply(b"[" * 15_000),
        "oversized": reply(b" " * 17_000 + b"{}"),
        "endless": b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 100_000,
        "another room": as_json({**GOOD, "yroom": "team"}),
        "another user": as_json({**GOOD, "yuserid": "eve"}),
        "no room": as_json({"yaccess": "rw"}),
        "a number for the user": as_json({**GOOD, "yuserid": 7}),
        "no HTTP": b"hello\r\n\r\n",
        "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
    }

    @pytest.mark.parametrize("name", BAD)
    async def test_a_bad_answer_is_none(self, authority: Authority, name: str) -> None:
        async def bad(path: str) -> bytes:
            return self.BAD[name]

        authority.answer = bad
        with pytest.raises(DecisionUnavailable):
            await authorize(scope(yauth=token()), ROOM)

    async def test_a_redirect_is_not_followed(self, authority: Authority) -> None:
        async def elsewhere(path: str) -> bytes:
            return reply(b"", "302 Found", f"Location: {authority.url}/team%2Fessay/ada?x")

        authority.answer = elsewhere
        with pytest.raises(DecisionUnavailable):
            await authorize(scope(yauth=token()), ROOM)
        assert len(authority.paths) == 1

    async def test_a_hanging_one_is_given_up_and_no_more_than_some_wait_for_it(self, authority: Authority) -> None:
        async def hang(path: str) -> bytes:
            await asyncio.sleep(30)
            return b""

        authority.answer = hang
        asked = [asyncio.create_task(authorize(scope(yauth=token()), f"room-{n}")) for n in range(40)]
        await eventually(lambda: authority.busy == 4)
        await asyncio.sleep(0.1)
        assert authority.busy == 4
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(answer) for answer in answers} == {DecisionUnavailable}

    async def test_while_it_hangs_about_one_room_others_are_entered(self, authority: Authority) -> None:
        async def hang(path: str) -> bytes:
            await asyncio.sleep(30 if "stuck" in path else 0)
            return await authority.permission(path)

        authority.answer, authority.rights["ada"] = hang, "rw"
        crowd = [asyncio.create_task(authorize(scope(yauth=token(sub=f"u{n}")), "stuck")) for n in range(40)]
        await eventually(lambda: authority.busy == 2)
        entered = [authorize(scope(yauth=token()), f"room-{number}") for number in range(20)]
        assert all(grant.may_write for grant in await asyncio.gather(*entered))
        assert not any(one.done() for one in crowd)
        await asyncio.gather(*crowd, return_exceptions=True)

    async def test_its_password_is_sent_and_not_logged(
        self, site: Any, authority: Authority, caplog: pytest.LogCaptureFixture
    ) -> None:
        authority.rights["ada"] = "rw"
        site(PERMISSION_CALLBACK=authority.url.replace("://", "://yredis:s3cr3t%40@"))
        with caplog.at_level("DEBUG"):
            assert (await authorize(scope(yauth=token()), ROOM)).may_write
        basic = base64.b64encode(b"yredis:s3cr3t@")
        assert b"authorization: basic " + basic.lower() in authority.heads[0].lower()
        assert not re.search("s3cr3t|eXJlZGlz", caplog.text)

    async def test_one_that_is_away_is_no_answer_and_is_asked_again_a_second_later(self, authority: Authority) -> None:
        authority.rights["ada"] = "rw"
        port, authority.port = authority.port, 1
        await authority.stop()
        with pytest.raises(DecisionUnavailable):
            await authorize(scope(yauth=token()), ROOM)
        authority._server = await asyncio.start_server(authority._serve, "127.0.0.1", port)
        await asyncio.sleep(1.1)
        assert (await authorize(scope(yauth=token()), ROOM)).may_write

    async def test_a_cookie_in_an_answer_is_not_sent_with_the_next_question(self, authority: Authority) -> None:
        async def with_cookie(path: str) -> bytes:
            return reply(b"{}", "200 OK", "Set-Cookie: as=admin")

        authority.answer = with_cookie
        for user in ("ada", "eve"):
            with pytest.raises(DecisionUnavailable):
                await authorize(scope(yauth=token(sub=user)), ROOM)
        assert len(authority.heads) == 2
        assert not any(b"admin" in head for head in authority.heads)

    async def test_keys_are_had_while_all_turns_wait_for_an_answer(self, site: Any, authority: Authority) -> None:
        async def keys_only(path: str) -> bytes:
            await asyncio.sleep(0 if "keys" in path else 30)
            return as_json({"keys": []})

        authority.answer = keys_only
        site(
            PERMISSION_CALLBACK=authority.url,
            CALLBACK_CONNECTIONS=1,
            CALLBACK_TIMEOUT_SECONDS=2,
            JWT_KEYS=[{"alg": "HS256", "key": SECRET}, {"alg": "ES256", "url": f"{authority.url}/keys"}],
        )
        asked = asyncio.create_task(authorize(scope(yauth=token()), ROOM))
        await eventually(lambda: authority.busy == 1)
        unknown = jwt.encode({"sub": "ada"}, ec.generate_private_key(ec.SECP256R1()), "ES256")
        with pytest.raises(IdentityRefused, match="no key"):
            await authorize(scope(yauth=unknown), ROOM)
        assert not asked.done()
        with pytest.raises(DecisionUnavailable):
            await asked


class TestKeySets:
    async def test_one_that_is_away_refuses_no_token_of_a_key_that_is_here(self, site: Any) -> None:
        own, everybody = ec.generate_private_key(ec.SECP256R1()), "tests.support.access.everybody_writes"
        public = jwt.algorithms.ECAlgorithm.to_jwk(own.public_key(), as_dict=True)
        away = {"alg": "ES256", "url": "http://127.0.0.1:1/"}
        claims = {"sub": "ada", "iss": "i", "aud": "a", "exp": int(time.time()) + 60}
        for key in ({"alg": "ES256", "key": public}, {"alg": "ES256", "key": public, "kid": "own"}):
            site(JWT_KEYS=[away, key], PERMISSION=everybody)
            for headers in ({"kid": "own"}, None):
                signed = jwt.encode(claims, own, "ES256", headers=headers)
                assert (await authorize(scope(yauth=signed), ROOM)).may_write
        other = jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), "ES256")
        with pytest.raises(DecisionUnavailable):  # perhaps it is signed by a key of the other server
            await authorize(scope(yauth=other), ROOM)

    async def test_keys_are_fetched_kept_and_fetched_anew_when_they_rotate(
        self, site: Any, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old, new = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
        published = {"old": old}

        async def key_set(path: str) -> bytes:
            keys = [
                {**jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}
                for kid, key in published.items()
            ]
            return as_json({"keys": [{"kty": "strange"}, 7, *keys]})

        def signed(kid: str, key: Any) -> str:
            claims = {"sub": "ada", "iss": "i", "aud": "a", "exp": int(time.time()) + 60}
            private = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            return jwt.encode(claims, private, "ES384", headers={"kid": kid})

        authority.answer = key_set
        site(
            JWT_KEYS=[{"alg": "ES384", "url": f"{authority.url}/{time.monotonic()}"}],
            PERMISSION="tests.support.access.everybody_writes",
        )
        for _ in range(5):
            assert (await authorize(scope(yauth=signed("old", old)), ROOM)).may_write
        assert len(authority.paths) == 1
        published["new"] = new
        with pytest.raises(DecisionUnavailable):  # nobody knows yet: the client comes back
            await authorize(scope(yauth=signed("new", new)), ROOM)
        assert len(authority.paths) == 1  # not for every token that somebody makes up
        monkeypatch.setattr(jwks, "AGAIN_SECONDS", 0.0)
        assert (await authorize(scope(yauth=signed("new", new)), ROOM)).may_write
        with pytest.raises(IdentityRefused):  # the answer is just in, and there is no such key
            await authorize(scope(yauth=signed("made up", new)), ROOM)

    async def test_keys_that_were_never_had_refuse_for_now(self, site: Any) -> None:
        site(JWT_KEYS=[{"alg": "HS256", "url": "http://127.0.0.1:1/"}])
        with pytest.raises(DecisionUnavailable):
            await authorize(scope(yauth=token()), ROOM)


class TestDecisions:
    async def test_2000_connects_of_100_users_to_50_rooms_are_one_question_each(
        self, site: Any, authority: Authority
    ) -> None:
        site(PERMISSION_CALLBACK=authority.url, ACCESS_CACHE_SECONDS=60, CALLBACK_TIMEOUT_SECONDS=30)
        authority.rights = {f"u{number}": "rw" for number in range(0, 100, 2)}  # the others are refused
        connects = [
            authorize(scope(yauth=token(sub=f"u{number % 100}", jti=str(number))), f"room-{number % 50}")
            for number in range(2000)
        ]
        answers = await asyncio.gather(*connects, return_exceptions=True)
        assert sum(isinstance(answer, Grant) for answer in answers) == 1000
        assert len(authority.paths) == len(set(authority.paths)) == 100

    async def test_after_an_order_nothing_that_was_decided_before_counts(self, site: Any, authority: Authority) -> None:
        site(PERMISSION_CALLBACK=authority.url, ACCESS_CACHE_SECONDS=60)
        authority.rights["ada"] = "rw"
        assert (await authorize(scope(yauth=token()), ROOM)).may_write
        authority.rights["ada"] = "none"
        assert (await authorize(scope(yauth=token()), ROOM)).may_write
        orders.recheck(orders.Order(), lambda room: [])
        with pytest.raises(AccessDenied):
            await authorize(scope(yauth=token()), ROOM)

    async def test_policies_that_hang_are_given_up(self, site: Any) -> None:
        site(PERMISSION="tests.support.access.hangs", HANDSHAKE_SECONDS=0.2)
        before = len(asyncio.all_tasks())
        asked = [authorize(scope(yauth=token(sub=f"u{number}")), ROOM) for number in range(30)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(answer) for answer in answers} == {DecisionUnavailable}
        await eventually(lambda: len(asyncio.all_tasks()) <= before)

    async def test_a_policy_that_gives_no_answer_is_a_mistake_of_the_site(self, site: Any) -> None:
        site(PERMISSION="tests.support.access.no_answer")
        with pytest.raises(TypeError, match="must return an Access"):
            await authorize(scope(), ROOM)


class TestAwareness:
    async def test_readers_are_seen_unless_the_settings_say_otherwise(self, site: Any) -> None:
        key = await pool.run(lambda: session_of(user_with("view_room")))
        assert (await authorize(scope(session=key), ROOM)).may_share_awareness
        site(READERS_VISIBLE=False)
        assert not (await authorize(scope(session=key), ROOM)).may_share_awareness

    async def test_a_policy_can_say_who_is_seen(self, site: Any) -> None:
        site(PERMISSION="tests.support.access.readers_unseen")
        grant = await authorize(scope(), ROOM)
        assert (grant.access, grant.may_share_awareness) == (Access.READ, False)


class TestOvertaken:
    """What a user may do changes while it is looked who that is."""

    @pytest.fixture
    def overtake(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[MemoryWriter]]:
        """Let a user enter who was read before an order that changes them; return their socket."""

        async def overtaken(user: Any, key: str, **changes: Any) -> MemoryWriter:
            hub, look, looked, go_on = await serve(), sessions.logged_in, threading.Event(), threading.Event()

            def slow(session_key: str) -> Any:
                found = look(session_key)
                looked.set()
                go_on.wait(5)
                return found

            monkeypatch.setattr(sessions, "logged_in", slow)
            entering = asyncio.create_task(authorize(scope(session=key), ROOM))
            await asyncio.to_thread(looked.wait)
            monkeypatch.setattr(sessions, "logged_in", look)
            for name, value in changes.items():
                setattr(user, name, value)
            await asyncio.to_thread(user.save)
            await eventually(lambda: orders.latest(ROOM, str(user.pk)) > 0)
            go_on.set()
            writer = MemoryWriter(lambda frame: None)
            await hub.join(await entering, writer, "127.0.0.1")
            return writer

        return overtaken

    async def test_an_order_while_it_is_looked_who_somebody_is_counts(self, site: Any, overtake: Any) -> None:
        user = await pool.run(user_with, "change_room")
        writer = await overtake(user, await pool.run(session_of, user), is_active=False)
        await eventually(lambda: writer.code == 4401, 2)

    async def test_an_order_while_the_user_is_on_the_way_to_the_policy_counts(self, site: Any, overtake: Any) -> None:
        """What the policy is given was read before, and says so: it is no newer in the cache either."""
        site(ACCESS_CACHE_SECONDS=60)
        user = await pool.run(user_with, "view_room", is_superuser=True)
        key = await pool.run(session_of, user)
        writer = await overtake(user, key, is_superuser=False)
        await eventually(lambda: writer.code == 4503, 2)
        assert (await authorize(scope(session=key), ROOM)).access is Access.READ


class TestLive:
    """On two servers; the change comes from a view or the admin, in another thread."""

    @pytest.fixture
    async def seats(self, site: Any, serve: Serve) -> list[tuple[Hub, MemoryWriter]]:
        """One user, once on each of two servers."""
        site()
        self.user = await pool.run(user_with, "change_room")
        self.key = await pool.run(session_of, self.user)
        opened = []
        for hub in (await serve(), await serve()):
            writer = MemoryWriter(lambda frame: None)
            await hub.join(await authorize(scope(session=self.key), ROOM), writer, "127.0.0.1")
            opened.append((hub, writer))
        await asyncio.sleep(0.1)  # the signals of all that is done
        assert [writer.code for _, writer in opened] == [None, None]
        return opened

    async def closed(self, seats: list[tuple[Hub, MemoryWriter]], code: int) -> None:
        """Return once all are closed, within two seconds."""
        await eventually(lambda: all(writer.code is not None for _, writer in seats), 2)
        assert [writer.code for _, writer in seats] == [code, code]

    async def test_a_permission_that_is_taken_away(self, seats: Any) -> None:
        await asyncio.to_thread(self.user.user_permissions.clear)
        await self.closed(seats, 4403)

    async def test_a_permission_that_becomes_a_smaller_one(self, seats: Any) -> None:
        def downgrade() -> None:
            self.user.user_permissions.set([Permission.objects.get(codename="view_room")])

        await asyncio.to_thread(downgrade)
        await eventually(lambda: all(writer.code is not None for _, writer in seats), 2)
        assert {writer.code for _, writer in seats} <= {4503, 4403}  # set() takes away before it adds
        assert (await authorize(scope(session=self.key), ROOM)).access is Access.READ

    async def test_a_user_who_is_deactivated(self, seats: Any) -> None:
        self.user.is_active = False
        await asyncio.to_thread(self.user.save)
        await self.closed(seats, 4401)

    async def test_a_user_who_is_deleted(self, seats: Any) -> None:
        await asyncio.to_thread(self.user.delete)
        await self.closed(seats, 4401)

    async def test_a_user_who_logs_out(self, seats: Any) -> None:
        def log_out() -> None:
            client = Client()
            client.cookies["sessionid"] = self.key
            client.logout()

        await asyncio.to_thread(log_out)
        await self.closed(seats, 4401)

    async def test_a_user_who_logs_out_where_sessions_are_no_rows(self, site: Any, serve: Serve, settings: Any) -> None:
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
        user = await pool.run(user_with, "change_room")
        client = Client()
        await asyncio.to_thread(client.force_login, user)
        writer = MemoryWriter(lambda frame: None)
        key = client.cookies["sessionid"].value
        await (await serve()).join(await authorize(scope(session=key), ROOM), writer, "127.0.0.1")
        await asyncio.sleep(0.1)
        await asyncio.to_thread(client.logout)
        await eventually(lambda: writer.code == 4401, 2)

    async def test_a_session_that_is_deleted_by_hand(self, seats: Any) -> None:
        from django.contrib.sessions.models import Session

        await asyncio.to_thread(lambda: Session.objects.all().delete())
        await self.closed(seats, 4401)

    async def test_a_group_that_loses_a_permission(self, site: Any, serve: Serve) -> None:
        def member() -> tuple[Any, str]:
            group = Group.objects.create(name="writers")
            group.permissions.add(Permission.objects.get(codename="change_room"))
            user = user_with()
            user.groups.add(group)
            return group, session_of(user)

        group, key = await pool.run(member)
        writer = MemoryWriter(lambda frame: None)
        await (await serve()).join(await authorize(scope(session=key), ROOM), writer, "127.0.0.1")
        await asyncio.to_thread(group.permissions.clear)
        await eventually(lambda: writer.code == 4403, 2)

    async def test_a_login_elsewhere_changes_nothing(self, seats: Any) -> None:
        await asyncio.to_thread(session_of, self.user)
        await asyncio.sleep(0.2)
        assert [writer.code for _, writer in seats] == [None, None]


async def test_a_row_for_a_room_that_is_not_persisted_yet_can_have_permissions(site: Any) -> None:
    await pool.run(Room.objects.get_or_create, name=ROOM)
    key = await pool.run(lambda: session_of(user_with("view_room")))
    assert (await authorize(scope(session=key), ROOM)).access is Access.READ
