"""Whether an update can be shown by somebody who has this and that: as pycrdt finds it, without building a document."""

import random
from collections.abc import Callable

import pytest
from pycrdt import Array, Doc, Map, Text

from rooms import merge
from rooms.needs import followed, needs
from rooms.scan import scan

KEYS = ["a", "b", "c"]


def history(seed: int, *, edits: int = 40) -> list[bytes]:
    """Return what three clients send, who type, delete, nest, and hear of each other now and then."""
    choose, updates = random.Random(seed), list[bytes]()
    documents = [Doc(client_id=client) for client in (1, 2, 3)]
    for document in documents:
        document["text"], document["map"] = Text(), Map()
        document.observe(lambda event: updates.append(event.update))
    for _ in range(edits):
        document = choose.choice(documents)
        edit(choose, document)
        if choose.random() < 0.5:
            heard = documents[choose.randrange(3)].get_update()
            before = len(updates)
            document.apply_update(heard)
            del updates[before:]
    return updates


def edit(choose: random.Random, document: Doc) -> None:
    """Change something."""
    text, tree = document["text"], document["map"]
    what = choose.random()
    if what < 0.6 or not len(text):
        text.insert(choose.randint(0, len(text)), choose.choice(["x", "yz", "long words "]))
    elif what < 0.7:
        start = choose.randrange(len(text))
        del text[start : start + 1]
    elif what < 0.85:
        tree[choose.choice(KEYS)] = choose.choice([1, "v", Array([1]), Map({"n": 1})])
    else:
        nested = tree.get(choose.choice(KEYS))
        if isinstance(nested, Array):
            nested.append(choose.choice([2, Text("t")]))
        elif isinstance(nested, Map):
            nested["k"] = 3


def clock_in(vector: dict[int, int]) -> Callable[[int], int]:
    """Return a function from clients to clocks."""
    return lambda client: vector.get(client, 0)


@pytest.mark.parametrize("seed", range(60))
def test_what_can_not_be_shown_is_what_pycrdt_keeps_back(seed: int) -> None:
    updates = history(seed)
    del updates[random.Random(seed).randrange(len(updates))]
    vector, so_far = {}, []
    for update in updates:
        so_far.append(update)
        after = followed(clock_in(vector), scan(update).structs, needs(update))
        assert (after is None) == merge.waits(so_far)
        if after is None:
            break
        vector |= after


@pytest.mark.parametrize("seed", range(20))
def test_a_whole_history_leaves_no_gap_in_whatever_bunches(seed: int) -> None:
    updates, vector = history(seed), {}
    choose = random.Random(seed)
    while updates:
        bunch = merge.tree_merge([updates.pop(0) for _ in range(min(len(updates), choose.randint(1, 5)))])
        after = followed(clock_in(vector), scan(bunch).structs, needs(bunch))
        assert after is not None
        vector |= after


def test_text_behind_another_clients_needs_that() -> None:
    one = Doc(client_id=1)
    one["text"] = Text()
    one["text"] += "hello"
    other = Doc(client_id=2)
    other["text"] = Text()
    other.apply_update(one.get_update())
    before = other.get_state()
    other["text"] += "!"
    assert needs(other.get_update(before)) == {1: 5}
