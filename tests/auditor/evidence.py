"""What a run left behind: journals and final states of clients, acceptance logs of servers, Redis, the store."""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from rooms import names
from rooms.entries import decode
from rooms.keys import Keys
from rooms.store import Store
from tests.auditor.coverage import Coverage
from tests.support.valkey import stream_entries


@dataclass(frozen=True)
class Final:
    """A client's last word: its state when the run was over."""

    client: str
    connected: bool
    fresh: bool
    pending: bool
    digest: str
    content: Any
    coverage: Coverage


@dataclass
class Evidence:
    """All that concerns one room."""

    room: str
    accepted: list[bytes] = field(default_factory=list)
    """Updates whose append returned to a server process."""
    journals: dict[str, list[bytes]] = field(default_factory=dict)
    """Client name -> updates, in the order in which they were made."""
    writers: set[int] = field(default_factory=set)
    """Client ids that journals name for this room."""
    finals: list[Final] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    """Updates in the Redis stream."""
    unreadable: list[str] = field(default_factory=list)
    """Stream entries that are none: id and error."""
    stored: list[bytes] = field(default_factory=list)
    """Updates in the store."""
    due: bool = False
    leased: bool = False


@dataclass(frozen=True)
class Sources:
    """Where to look; folders that are None are not looked into."""

    redis_url: str
    rooms: Sequence[str] = ()
    """Nothing: all rooms that Redis, a journal, or an acceptance log names."""
    accept_log: Path | None = None
    journals: Path | None = None
    prefix: str = "yredis"
    shards: int = 16
    store: Store | None = None


async def gather(sources: Sources) -> dict[str, Evidence]:
    """Read everything; what was accepted first and the store last, so that it may go on meanwhile."""
    found: dict[str, Evidence] = {}

    def of(room: str) -> Evidence:
        return found.setdefault(room, Evidence(room))

    for line in json_lines(sources.accept_log, "*.jsonl"):
        of(line["room"]).accepted.append(base64.b64decode(line["update"]))
    if sources.journals is not None:
        for path in sorted(sources.journals.glob("*.jsonl")):
            read_journal(path, of)
        for path in sorted(sources.journals.glob("*.state.json")):
            state = json.loads(path.read_text())
            of(canonical(state["room"])).finals.append(final(state))
    with redis.Redis.from_url(sources.redis_url) as client:
        keys = Keys(sources.prefix, sources.shards)
        for room in sources.rooms or (found.keys() | rooms_in(client, sources.prefix)):
            read_stream(client, keys, of(room))
    if sources.store is not None:
        for room, evidence in found.items():
            chain = await sources.store.load(room)
            evidence.stored = [entry.update for entry in chain.entries] if chain else []
    return {room: found[room] for room in sources.rooms} if sources.rooms else found


def canonical(room: str) -> str:
    """Return the name that the servers give to a room that a client names in its url."""
    return names.canonical(room)


def json_lines(folder: Path | None, pattern: str) -> Iterable[Any]:
    """Yield the lines of all files; a last line cut short by a kill -9 was not written and is left out."""
    for path in sorted(folder.glob(pattern)) if folder else ():
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)


def read_journal(path: Path, of: Any) -> None:
    """Add a client's journal to the evidence of its room."""
    head, *lines = json_lines(path.parent, path.name)
    evidence = of(canonical(head["room"]))
    evidence.writers.add(head["clientId"])
    evidence.journals[head["client"]] = [base64.b64decode(line["update"]) for line in lines]


def final(state: dict[str, Any]) -> Final:
    """Read what a client's report says."""
    who = {key: state[key] for key in ("client", "connected", "fresh", "pending", "digest", "content")}
    return Final(**who, coverage=coverage_of(state))


def coverage_of(state: dict[str, Any]) -> Coverage:
    """Return what a client holds, by the state that it tells."""
    coverage = Coverage()
    coverage.extend(
        {int(client): [(0, clock)] for client, clock in state["structs"].items()},
        {int(client): [(start, end) for start, end in spans] for client, spans in state["deletes"].items()},
    )
    coverage.normalise()
    return coverage


def rooms_in(client: "redis.Redis", prefix: str) -> set[str]:
    """Return the rooms that have a stream."""
    keys = client.scan_iter(match=f"{prefix}:{{*}}:room:*", count=1000)
    return {names.from_key_part(key.decode().rpartition(":")[2]) for key in keys}


def read_stream(client: "redis.Redis", keys: Keys, evidence: Evidence) -> None:
    """Add a room's stream entries, and whether the room is due or leased."""
    for entry_id, data in stream_entries(client, keys.room(evidence.room)):
        try:
            evidence.entries.append(decode(data).update)
        except Exception as error:  # whatever is wrong with it, it is a finding
            evidence.unreadable.append(f"{entry_id} can't be read: {type(error).__name__}: {error}")
    due_key = keys.due_of(evidence.room)
    member = names.key_part(evidence.room)
    evidence.due = client.zscore(due_key, member) is not None
    evidence.leased = is_leased(client, due_key.removesuffix("due") + "lease", member)


def is_leased(client: "redis.Redis", key: str, member: str) -> bool:
    """Tell whether a shard's leases, a hash or a sorted set, have a room."""
    match client.type(key):
        case b"hash":
            return bool(client.hexists(key, member))
        case b"zset":
            return client.zscore(key, member) is not None
        case _:
            return False
