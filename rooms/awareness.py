"""Awareness updates: who is here, as bytes. Pure.

An awareness update is: number of states, then for each a client id, a clock, and JSON as a string. JSON "null" says
that the client is gone. Source: y-protocols, awareness.js.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from rooms import wire
from rooms.errors import MalformedFrame, TooMuch

GONE = b"null"

MAX_STATES = 20_000
"""In one update: several times the clients that a room has, all of whom y-websocket may repeat."""

MAX_DEPTH = 64
"""Of arrays and objects in each other: who writes or walks deeper ones recurses too far."""

brackets = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[{]|[\]}]').finditer
"""Finds strings, which may have brackets that mean nothing, and all brackets outside of them."""


@dataclass(frozen=True, slots=True)
class State:
    """One client's state: `value` is JSON, and GONE when the client left."""

    client: int
    clock: int
    value: bytes

    @property
    def is_gone(self) -> bool:
        """Whether this tells that the client left."""
        return self.value == GONE


def parse(data: bytes) -> list[State]:
    """Read an awareness update; the JSON is not looked into.

    Raises:
        MalformedFrame: cut short, bytes left over, or more states announced than bytes can hold.
        TooMuch: over MAX_STATES.
    """
    reader = wire.Reader(data)
    number = reader.var_uint()
    if number > reader.remaining // 3:
        raise MalformedFrame("an awareness update has fewer states than it says")
    if number > MAX_STATES:
        raise TooMuch(f"an awareness update of {number} states")
    states = [State(reader.var_uint(), reader.var_uint(), _value(reader.var_bytes())) for _ in range(number)]
    reader.expect_end()
    return states


def _value(data: bytes) -> bytes:
    """Return a state's JSON; white space around "null" means the same to JavaScript."""
    return GONE if data.strip() == GONE else data


def encode(states: Iterable[State]) -> bytes:
    """Return the bytes that `parse` reads."""
    parts = [wire.var_uint(state.client) + wire.var_uint(state.clock) + wire.var_bytes(state.value) for state in states]
    return wire.var_uint(len(parts)) + b"".join(parts)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def check_json(value: bytes) -> None:
    """Raise MalformedFrame unless every client's JSON.parse takes `value`: a bad one would break the others."""
    read_json(value)


def read_json(value: bytes) -> Any:
    """Return what a state's JSON says.

    Raises:
        MalformedFrame: it is none, or nested deeper than MAX_DEPTH.
    """
    try:
        found = json.loads(value.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise MalformedFrame("an awareness state is not JSON") from error
    if value.count(b"[") + value.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise MalformedFrame(f"an awareness state is nested deeper than {MAX_DEPTH}")
    return found


def _depth(value: bytes) -> int:
    """Return how many arrays and objects of valid JSON are in each other, at most."""
    depth = deepest = 0
    for found in brackets(value):
        match found[0][:1]:
            case b"[" | b"{":
                depth += 1
                deepest = max(deepest, depth)
            case b"]" | b"}":
                depth -= 1
    return deepest
