"""What others ask the site: a token for who is logged in, and what a user may do, as a y-redis server asks."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Permission
from django.contrib.sessions.models import Session
from django.template import Context, Template
from django.test import AsyncClient, Client, RequestFactory

from authbridge import tokens
from authbridge.views import asked_about
from rooms import pool
from rooms.errors import IdentityRefused
from rooms.models import Room

pytestmark = pytest.mark.django_db(transaction=True)

KEY = ec.generate_private_key(ec.SECP384R1())
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
LOCAL = {"PERM_CALLERS": ["127.0.0.1"]}


@pytest.fixture
def site(settings: Any) -> Callable[..., None]:
    """A site that makes tokens; called again, it changes the settings."""

    def configured(**changes: Any) -> None:
        settings.YREDIS = {
            **settings.YREDIS,
            "JWT_KEYS": [{"alg": "ES384", "key": PEM, "kid": "one"}],
            "JWT_ISSUER": "site",
            "JWT_AUDIENCE": "rooms",
            "JWT_USER_FIELD": "pk",
            "PERMISSION": "",
            "ACCESS_CACHE_SECONDS": 0,
            **changes,
        }

    configured()
    return configured


@pytest.fixture
def ada(site: Any) -> Any:
    """A user who may write."""
    user = get_user_model().objects.create_user("ada", first_name="Ada", last_name="L.")
    user.user_permissions.add(Permission.objects.get(codename="change_room"))
    return user


@pytest.fixture
def browser(ada: Any) -> Client:
    """Her browser."""
    client = Client()
    client.force_login(ada)
    return client


def claims_of(token: str, **options: bool) -> dict[str, Any]:
    """Return what a token says, its signature checked."""
    return dict(jwt.decode(token, KEY.public_key(), ["ES384"], audience="rooms", issuer="site", options=options))


class TestToken:
    def test_it_is_for_who_is_logged_in_and_lasts_as_the_settings_say(self, browser: Client, ada: Any) -> None:
        answer = browser.post("/yauth/token")
        claims = claims_of(answer.json()["token"])
        assert {claims["sub"], claims["yuserid"]} == {str(ada.pk)}
        assert (claims["name"], answer.json()["expiresIn"]) == ("Ada L.", 900)
        assert 895 < claims["exp"] - time.time() <= 900
        assert "no-store" in answer.headers["Cache-Control"]

    async def test_the_site_itself_takes_it(self, browser: Client, ada: Any) -> None:
        answer = await pool.run(browser.post, "/yauth/token", {"room": ["essay", "notes"]})
        identity = await tokens.identity_of(answer.json()["token"])
        assert (identity.user, identity.rooms) == (ada, ("essay", "notes"))

    async def test_it_ends_with_the_session(self, browser: Client) -> None:
        answer = await pool.run(browser.post, "/yauth/token")
        identity = await tokens.identity_of(answer.json()["token"])
        await pool.run(browser.logout)
        with pytest.raises(IdentityRefused, match="session"):
            await identity.again()

    def test_scripts_of_the_page_can_not_read_the_session_in_it(self, browser: Client) -> None:
        token = browser.post("/yauth/token").json()["token"]
        assert browser.session.session_key not in json.dumps(claims_of(token))

    async def test_one_of_another_site_is_good_without_a_session_here(self, browser: Client, settings: Any) -> None:
        answer = await pool.run(browser.post, "/yauth/token")
        settings.SECRET_KEY = "of another site"
        assert (await tokens.identity_of(answer.json()["token"])).user_id

    def test_for_less_time(self, browser: Client) -> None:
        assert browser.post("/yauth/token", {"lifetime": "60"}).json()["expiresIn"] == 60

    def test_never_for_more(self, browser: Client) -> None:
        assert browser.post("/yauth/token", {"lifetime": "86400"}).json()["expiresIn"] == 900

    @pytest.mark.parametrize("lifetime", ["0", "-1", "1.5", "x", "", "٣", "000000000000001"])
    def test_for_no_time_that_is_none(self, browser: Client, lifetime: str) -> None:
        assert browser.post("/yauth/token", {"lifetime": lifetime}).status_code == 400

    @pytest.mark.parametrize("field", [{"format": "xml"}, {"room": "x" * 300}, {"room": "a\nb"}])
    def test_for_nothing_that_is_none(self, browser: Client, field: dict[str, str]) -> None:
        answer = browser.post("/yauth/token", field)
        assert answer.status_code == 400
        assert answer.json()["error"]

    def test_as_plain_text(self, browser: Client) -> None:
        answer = browser.post("/yauth/token", headers={"accept": "text/plain"})
        assert claims_of(answer.content.decode())

    async def test_as_lib0_counts_it_is_not_for_this_site(self, browser: Client) -> None:
        answer = await pool.run(browser.post, "/yauth/token", {"format": "lib0"})
        expiry = claims_of(answer.json()["token"], verify_iat=False)["exp"]
        assert 895_000 < expiry - 1000 * time.time() <= 900_000
        with pytest.raises(IdentityRefused):
            await tokens.identity_of(answer.json()["token"])

    def test_each_has_an_id_of_its_own(self, browser: Client) -> None:
        ids = {claims_of(browser.post("/yauth/token").json()["token"])["jti"] for _ in range(2)}
        assert len(ids) == 2

    def test_where_every_page_wants_a_login_the_answer_is_still_for_programs(self, site: Any, settings: Any) -> None:
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
        site(**LOCAL)
        assert Client().post("/yauth/token").status_code == 401
        assert Client().get("/yauth/perm/essay/0").status_code == 403

    def test_for_nobody_there_is_none(self, site: Any, client: Client) -> None:
        assert client.post("/yauth/token").status_code == 401

    def test_it_is_not_got_by_a_link(self, browser: Client) -> None:
        assert browser.get("/yauth/token").status_code == 405

    def test_other_sites_can_not_ask_for_it(self, ada: Any) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(ada)
        assert client.post("/yauth/token").status_code == 403

    def test_without_a_key_to_sign_with_there_is_none(self, browser: Client, site: Any) -> None:
        public = KEY.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        site(JWT_KEYS=[{"alg": "ES384", "key": public.decode()}])
        assert browser.post("/yauth/token").status_code == 501

    @pytest.mark.parametrize("kind", ["jwk", "secret", "secret jwk"])
    async def test_every_kind_of_key_signs(self, browser: Client, site: Any, kind: str) -> None:
        secret = "a secret of at least thirty-two bytes"
        keys = {
            "jwk": {"alg": "ES384", "key": json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY))},
            "secret": {"alg": "HS256", "key": secret},
            "secret jwk": {"alg": "HS256", "key": json.loads(jwt.algorithms.HMACAlgorithm.to_jwk(secret))},
        }
        site(JWT_KEYS=[keys[kind]])
        answer = await pool.run(browser.post, "/yauth/token")
        assert (await tokens.identity_of(answer.json()["token"])).user_id


class TestPerm:
    @pytest.fixture(autouse=True)
    def bridge(self, site: Any) -> None:
        """This machine may ask."""
        site(**LOCAL)

    def user(self, *codenames: str, **more: Any) -> Any:
        """Return a user with permissions on rooms."""
        user = get_user_model().objects.create_user(f"user-{time.monotonic()}", **more)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        return user

    @pytest.mark.parametrize(("codename", "access"), [("change_room", "rw"), ("view_room", "readonly")])
    def test_what_a_user_may(self, client: Client, codename: str, access: str) -> None:
        user_id = str(self.user(codename).pk)
        answer = client.get(f"/yauth/perm/essay/{user_id}")
        assert answer.json() == {"yroom": "essay", "yaccess": access, "yuserid": user_id}

    def nobody(self) -> list[str]:
        """Return ids of those who may nothing: without a permission, not active, unknown."""
        return [str(self.user().pk), str(self.user("change_room", is_active=False).pk), "0", "x", "\0", "9" * 40]

    def test_no_access_is_nothing_that_y_redis_could_take_for_leave_to_read(self, client: Client) -> None:
        """It parses every answer as JSON, whatever its status, and lets in whom that succeeds for."""
        for user_id in self.nobody():
            answer = client.get(f"/yauth/perm/essay/{user_id}")
            assert answer.status_code == 403
            with pytest.raises(ValueError):
                json.loads(answer.content)

    def test_unknown_and_denied_are_one_answer(self, client: Client) -> None:
        answers = [client.get(f"/yauth/perm/essay/{user_id}") for user_id in self.nobody()]
        assert len({(answer.status_code, answer.content) for answer in answers}) == 1

    def test_whoever_asks_for_json_by_name_gets_it(self, client: Client) -> None:
        answer = client.get("/yauth/perm/essay/x", headers={"accept": "application/json"})
        assert (answer.status_code, answer.json()["yaccess"]) == (200, "none")

    @pytest.mark.parametrize("room", ["a/b", "ünï", "a b", "%41", "a?b#c"])
    async def test_a_name_is_one_segment(self, async_client: AsyncClient, room: str) -> None:
        from urllib.parse import quote

        user = await pool.run(self.user, "change_room")
        path = f"/yauth/perm/{quote(room, safe='')}/{user.pk}"
        request = RequestFactory().get(path)
        request.scope = {"raw_path": path.encode()}  # type: ignore[attr-defined]
        assert asked_about(request, f"{room}/{user.pk}") == (room, str(user.pk))

    def test_three_segments_are_no_question(self, client: Client) -> None:
        request = RequestFactory().get("/yauth/perm/a/b/7")
        request.scope = {"raw_path": b"/yauth/perm/a/b/7"}  # type: ignore[attr-defined]
        assert asked_about(request, "a/b/7") is None

    def test_without_asgi_the_last_slash_is_before_the_user(self, client: Client) -> None:
        user_id = str(self.user("change_room").pk)
        assert client.get(f"/yauth/perm/a%2Fb/{user_id}").json()["yroom"] == "a/b"

    def test_a_room_that_no_name_is_for(self, client: Client) -> None:
        assert client.get(f"/yauth/perm/{'x' * 300}/{self.user('change_room').pk}").status_code == 403

    @pytest.mark.parametrize(
        "call",
        [
            {"REMOTE_ADDR": "10.0.0.1"},
            {"REMOTE_ADDR": ""},
            {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
            {"HTTP_FORWARDED": "for=127.0.0.1"},
        ],
        ids=str,
    )
    def test_nobody_else_may_ask(self, client: Client, call: dict[str, str]) -> None:
        user_id = self.user("change_room").pk
        assert client.get(f"/yauth/perm/essay/{user_id}", **call).status_code == 404

    def test_nobody_at_all_may_where_nobody_is_named(self, client: Client, site: Any) -> None:
        site(PERM_CALLERS=[])
        assert client.get(f"/yauth/perm/essay/{self.user('change_room').pk}").status_code == 404

    def test_while_nothing_can_be_decided_it_says_so(self, client: Client, site: Any) -> None:
        site(**LOCAL, PERMISSION_CALLBACK="http://127.0.0.1:1/perm")
        answer = client.get(f"/yauth/perm/essay/{self.user('change_room').pk}")
        assert answer.status_code == 503


class TestTag:
    def connection(self, user: Any, room: str = "essay", **call: Any) -> dict[str, Any]:
        """Return what the tag tells a page."""
        return dict(json.loads(self.html(user, room, **call).partition(">")[2].removesuffix("</script>")))

    def html(self, user: Any, room: str, **call: Any) -> str:
        """Return what the tag writes."""
        request = RequestFactory().get("/", **call)
        request.user = user
        return Template("{% load yredis %}{% yredis_connection room %}").render(
            Context({"request": request, "room": room})
        )

    def test_it_tells_a_page_all_that_it_needs(self, ada: Any) -> None:
        told = self.connection(ada)
        assert claims_of(told.pop("token"))["yrooms"] == ["essay"]
        assert told.pop("csrfToken")
        assert told == {
            "url": "ws://testserver/ws",
            "room": "essay",
            "name": "essay",
            "access": "write",
            "expiresIn": 900,
            "tokenUrl": "/yauth/token",
        }

    def test_a_page_that_came_by_https_connects_by_wss(self, ada: Any) -> None:
        assert self.connection(ada, secure=True)["url"] == "wss://testserver/ws"

    def test_the_site_can_name_another_place(self, ada: Any, site: Any) -> None:
        site(WEBSOCKET_URL="wss://rooms.example.com/ws")
        assert self.connection(ada)["url"] == "wss://rooms.example.com/ws"

    def test_somebody_without_rights_gets_no_token(self, ada: Any) -> None:
        ada.user_permissions.clear()
        told = self.connection(get_user_model().objects.get(pk=ada.pk))
        assert (told["access"], told["token"]) == ("none", None)

    def test_a_reader_is_told(self, ada: Any) -> None:
        ada.user_permissions.set([Permission.objects.get(codename="view_room")])
        assert self.connection(get_user_model().objects.get(pk=ada.pk))["access"] == "read"

    @pytest.mark.django_db(transaction=True)
    def test_of_a_read_only_room_everybody_is_a_reader(self, ada: Any, registering: None) -> None:
        Room.objects.create(name="essay", is_read_only=True, policy_version=1)
        told = self.connection(ada)
        assert (told["access"], claims_of(told["token"])["yrooms"]) == ("read", ["essay"])

    def test_anybody_gets_what_the_policy_says(self, site: Any) -> None:
        assert self.connection(AnonymousUser())["access"] == "none"
        site(PERMISSION="tests.support.access.everybody_writes")
        told = self.connection(AnonymousUser())
        assert (told["access"], told["token"]) == ("write", None)
        site(PERMISSION="tests.support.access.everybody_writes", IDENTITY=["jwt", "session"])
        assert self.connection(AnonymousUser())["access"] == "none"

    def test_where_nothing_signs_the_session_is_enough(self, ada: Any, site: Any) -> None:
        site(JWT_KEYS=[])
        told = self.connection(ada)
        assert (told["access"], told["token"]) == ("write", None)

    def test_who_could_not_be_told_by_a_token_nor_a_session_is_anybody(self, ada: Any, site: Any) -> None:
        site(JWT_KEYS=[], IDENTITY=["jwt", "anonymous"])
        assert self.connection(ada)["access"] == "none"
        site(IDENTITY=["session", "anonymous"])
        assert self.connection(ada)["token"] is None

    def test_nothing_in_it_can_end_the_script(self, site: Any) -> None:
        html = self.html(AnonymousUser(), "</script><script>alert(1)//&")
        assert re.findall(r"<[^>]*>", html) == ['<script id="yredis-connection" type="application/json">', "</script>"]

    def test_the_name_is_encoded_for_y_websocket(self, site: Any) -> None:
        told = self.connection(AnonymousUser(), "a b/ü%2F?")
        assert (told["room"], told["name"]) == ("a%20b/%C3%BC%2F%3F", "a b/ü%2F?")


def test_no_session_is_left_behind_by_a_look(browser: Client) -> None:
    browser.post("/yauth/token")
    assert Session.objects.count() == 1
