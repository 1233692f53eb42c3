"""What does it cost to be let in? Two thousand connections with tokens, decided by another server that is asked."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path

import jwt

from bench.results import Result, Row, medians
from bench.site import Site, fresh_room, sites
from bench.sockets import SYNC_STEP_1, Socket
from rooms import protocol
from tests.support.authority import Authority

USERS, ROOMS, CONNECTS = 100, 50, 2000
AT_ONCE = 100
CACHE_SECONDS = 120.0
SECRET = "a secret of at least thirty-two bytes"


def token(user: str) -> str:
    """Return a user's token."""
    claims = {"sub": user, "iss": "bench", "aud": "bench", "exp": int(time.time()) + 3600}
    return jwt.encode(claims, SECRET, "HS256")


def settings(authority: Authority) -> dict[str, str]:
    """Return the environment of a site that asks another server."""
    return {
        "YREDIS_AUTHORIZE": "authbridge.authorizer.authorize",
        "YREDIS_PERMISSION": "",
        "YREDIS_PERMISSION_CALLBACK": authority.url,
        "YREDIS_ACCESS_CACHE_SECONDS": str(CACHE_SECONDS),
        "YREDIS_JWT_KEYS": json.dumps([{"alg": "HS256", "key": SECRET}]),
        "YREDIS_JWT_ISSUER": "bench",
        "YREDIS_JWT_AUDIENCE": "bench",
        "YREDIS_JWT_USER_FIELD": "",
    }


async def enter(url: str) -> Socket:
    """Connect and return when the room has answered."""
    answered = asyncio.Event()

    def hear(message: bytes) -> None:
        if message.startswith(protocol.SYNC_STEP_2):
            answered.set()

    socket = await Socket.open(url, hear)
    socket.send(SYNC_STEP_1)
    await asyncio.wait((asyncio.create_task(answered.wait()), socket.lost), return_when=asyncio.FIRST_COMPLETED)
    if not answered.is_set():
        raise RuntimeError(f"not let in: {socket.close_code}")
    return socket


async def measure(site: Site, authority: Authority, tokens: dict[str, str]) -> Row:
    """Let all of them in; return what it cost, and how often the other server was asked."""
    rooms = [fresh_room("access") for _ in range(ROOMS)]
    visits = [(f"u{number % USERS}", rooms[number % ROOMS]) for number in range(CONNECTS)]
    authority.paths.clear()
    before, began, sockets = site.cost(), time.perf_counter(), list[Socket]()
    for start in range(0, CONNECTS, AT_ONCE):
        urls = [f"{site.url(room)}?yauth={tokens[user]}" for user, room in visits[start : start + AT_ONCE]]
        sockets += await asyncio.gather(*map(enter, urls))
    seconds, used = time.perf_counter() - began, site.cost().since(before)
    await asyncio.gather(*(socket.close() for socket in sockets))
    return {
        "server": site.asgi,
        "CPU ms per connect": 1e3 * used.server / CONNECTS,
        "connects per s": CONNECTS / seconds,
        "users and rooms": len(set(visits)),
        "questions": len(authority.paths),
        "most about one": max(Counter(authority.paths).values()),
    }


def run(folder: Path, rounds: int, seconds: float) -> Result:
    """Let two thousand connections in, several times; `seconds` is not used: it takes as long as it takes."""
    details = asyncio.run(_all_rounds(folder, rounds))
    asked = max(int(row["most about one"]) for row in details)
    verdict = "as it should" if asked == 1 else "MISSED"
    finding = f"each of {details[0]['users and rooms']} pairs of user and room was asked about {asked} times: {verdict}"
    shown = ("CPU ms per connect", "connects per s", "users and rooms", "questions", "most about one")
    question = f"{CONNECTS} connects of {USERS} users with tokens to {ROOMS} rooms, decided by a callback"
    return Result("access", question, medians(details, shown), [finding], details)


async def _all_rounds(folder: Path, rounds: int) -> list[Row]:
    authority = Authority()
    await authority.start()
    tokens = {f"u{number}": token(f"u{number}") for number in range(USERS)}
    authority.rights = dict.fromkeys(tokens, "rw")
    try:
        with sites(folder, settings=settings(authority)) as running:
            return [await measure(site, authority, tokens) for _ in range(rounds) for site in running]
    finally:
        await authority.stop()
