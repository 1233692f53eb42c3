"""Questions to other servers: one GET, one JSON object for an answer, and nothing that an answer could do to us."""

import asyncio
import json
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import httpx

from rooms.conf import conf
from rooms.errors import DecisionUnavailable
from rooms.turns import Turns

MOST_BYTES = 16 * 1024
OK = 200


class BadAnswer(Exception):
    """Why an answer is none."""


class Fetcher:
    """The connections that one event loop has to the servers it asks; `most` of them at most are in use at once."""

    def __init__(self, most: int) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # one user's answer says nothing of the next
        # No redirects, no proxy out of the environment: the answer comes from the url of the settings or not at all.
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            timeout=None,  # noqa: S113  # asyncio's, for all of it
            limits=limits,
            cookies=no_cookies,
        )
        self._turns = Turns(most)

    async def aclose(self) -> None:
        """Close them."""
        await self._client.aclose()

    async def json(self, url: str, about: str) -> dict[str, Any]:
        """Return the JSON object at an url.

        Args:
            about: what is asked about: questions about one room that hang hold up none about others.

        Raises:
            DecisionUnavailable: no answer within conf.callback_timeout_seconds, waiting for one's turn included; or any
                other than a 200 with a JSON object of at most 16 KiB.
        """
        try:
            async with asyncio.timeout(conf().callback_timeout_seconds), self._turns.turn(about):
                return _object(await _body(self._client, url))
        except TimeoutError as error:
            raise _no_answer(url, "in time") from error
        except BadAnswer as error:
            raise _no_answer(url, f"that counts: {error}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _no_answer(url, f"({type(error).__name__})") from error


def _no_answer(url: str, why: str) -> DecisionUnavailable:
    """Name the server: never the whole url, which may have a password or a room's name in it."""
    return DecisionUnavailable(f"no answer from {urlsplit(url).hostname} {why}")


async def _body(client: httpx.AsyncClient, url: str) -> bytes:
    plain = {"Accept": "application/json", "Accept-Encoding": "identity"}
    asked = httpx.URL(url)
    known = httpx.BasicAuth(asked.username, asked.password) if asked.userinfo else None
    # Without name and password, as httpx logs where it asks.
    async with client.stream("GET", asked.copy_with(userinfo=b""), headers=plain, auth=known) as answer:
        if answer.status_code != OK:
            raise BadAnswer(f"it was {answer.status_code}")
        body = b""
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > MOST_BYTES:
                raise BadAnswer(f"it has more than {MOST_BYTES} bytes")
        return body


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadAnswer("it is no JSON") from error
    if not isinstance(found, dict):
        raise BadAnswer("it is no JSON object")
    return found
