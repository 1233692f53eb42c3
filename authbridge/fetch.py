"""Questions to other servers: one GET, one JSON object for an answer, and nothing that an answer could do to us."""

import asyncio
import json
from typing import Any

import httpx

from rooms.conf import conf
from rooms.errors import DecisionUnavailable
from rooms.perloop import PerLoop

MOST_BYTES = 16 * 1024
OK = 200


class Fetcher:
    """The connections of one event loop."""

    def __init__(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        # No redirects, no proxy out of the environment: the answer comes from the url of the settings or not at all.
        self.client = httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=None, limits=limits)  # noqa: S113
        self.turns = asyncio.Semaphore(conf().callback_connections)

    async def aclose(self) -> None:
        """Close them."""
        await self.client.aclose()


async def _make() -> Fetcher:
    return Fetcher()


_fetchers = PerLoop(_make)


async def fetched_json(url: str) -> dict[str, Any]:
    """Return the JSON object at an url.

    Raises:
        DecisionUnavailable: no answer within conf.callback_timeout_seconds, waiting for one's turn included; or any
            other than a 200 with a JSON object of at most 16 KiB.
    """
    fetcher = await _fetchers.get()
    try:
        async with asyncio.timeout(conf().callback_timeout_seconds), fetcher.turns:
            return _object(await _body(fetcher.client, url))
    except TimeoutError as error:
        raise DecisionUnavailable("no answer in time") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DecisionUnavailable(f"no answer: {type(error).__name__}") from error


async def _body(client: httpx.AsyncClient, url: str) -> bytes:
    plain = {"Accept": "application/json", "Accept-Encoding": "identity"}
    async with client.stream("GET", url, headers=plain) as answer:
        if answer.status_code != OK:
            raise DecisionUnavailable(f"the answer was {answer.status_code}")
        body = b""
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > MOST_BYTES:
                raise DecisionUnavailable(f"the answer has more than {MOST_BYTES} bytes")
        return body


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DecisionUnavailable("the answer is no JSON") from error
    if not isinstance(found, dict):
        raise DecisionUnavailable("the answer is no JSON object")
    return found
