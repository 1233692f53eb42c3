"""The names of everything in Redis: a room's keys in one cluster slot, and no two alike."""

import pytest
from redis.crc import key_slot

from rooms.conf import Conf
from rooms.keys import Keys
from rooms.names import shard_of

KEYS = Keys.of(Conf(prefix="site", shards=16))

ROOMS = ["demo", "ünï/cödé", "ünï%2Fcödé", "a b", "a:b", "a{b}", "{a}", "a*", "due", "head:x"]


def keys_of(room: str) -> list[str]:
    """Return every key and channel of a room, and the due set that it is in."""
    return [KEYS.room(room), KEYS.head(room), KEYS.bell(room), KEYS.awareness(room), KEYS.due_of(room)]


@pytest.mark.parametrize("room", ROOMS)
def test_the_keys_of_a_room_share_a_cluster_slot(room):
    assert len({key_slot(key.encode()) for key in keys_of(room)}) == 1


@pytest.mark.parametrize("room", ROOMS)
def test_the_hash_tag_is_the_shard_and_nothing_of_the_name(room):
    assert all(key.startswith(f"site:{{{shard_of(room, 16)}}}:") for key in keys_of(room))
    assert all(key.count("{") == key.count("}") == 1 for key in keys_of(room))


def test_no_two_rooms_or_kinds_share_a_key():
    every = [key for room in ROOMS for key in keys_of(room)[:-1]]
    every += [KEYS.due(shard) for shard in range(16)] + [KEYS.servers, KEYS.layout]
    every += [KEYS.workers, KEYS.history, KEYS.sampling, KEYS.sweep]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("room", ROOMS)
def test_a_channel_gives_its_room_back(room):
    assert KEYS.room_of_channel(KEYS.bell(room)) == room


def test_keys_are_readable():
    shard = shard_of("demo", 16)
    assert KEYS.room("demo") == f"site:{{{shard}}}:room:demo"
    assert KEYS.head("demo") == f"site:{{{shard}}}:head:demo"
    assert KEYS.due(3) == "site:{3}:due"


def test_sites_with_different_prefixes_share_nothing():
    other = Keys.of(Conf(prefix="site2", shards=16))
    assert not {other.room("demo"), other.servers, other.layout} & {KEYS.room("demo"), KEYS.servers, KEYS.layout}
