"""A baseline: a loaded document and what was delivered since, from which SyncStep1 is answered."""

import asyncio

import pytest
from pycrdt import Doc, Text

from rooms import merge, ranges
from rooms.baseline import FAILED_SECONDS, LIFE_SECONDS, SINCE_BYTES, Baseline
from rooms.conf import Conf
from rooms.documents import Document, Documents
from rooms.entries import START, Entry
from rooms.errors import RedisUnavailable
from rooms.scan import scan

BIG_INT = bytes.fromhex("010107002801016d016b017a7fffffffffffffff00")
"""Client 7 sets m.k to a BigInt: pycrdt can't write it again."""


def keystrokes(text: str) -> list[Entry]:
    """Return an entry for each character that client 5 types at the end of the root text "t"."""
    document: Doc[Text] = Doc(client_id=5)
    shared, updates = document.get("t", type=Text), list[bytes]()
    subscription = document.observe(lambda event: updates.append(event.update))
    for character in text:
        shared += character
    document.unobserve(subscription)
    return [Entry(update) for update in updates]


def document_of(*entries: Entry) -> Document:
    """Return what a load of a stream with `entries` gives."""
    merged = merge.tree_merge([entry.update for entry in entries])
    return Document(merged, (), scan(merged), START, len(merged))


def baseline_of(*entries: Entry) -> Baseline:
    """Return a baseline that has been loading since second 100 and needs two turns of the loop."""

    async def load() -> Document:
        await asyncio.sleep(0)
        return document_of(*entries)

    return Baseline(100.0, asyncio.create_task(load()))


async def fails() -> Document:
    raise RedisUnavailable("away")


def here() -> Documents:
    """Return Documents that only compute, and in this process: nothing here is large."""
    return Documents(None, None, None, Conf())  # type: ignore[arg-type]


class TestFreshness:
    """One baseline serves all who join within a few seconds."""

    async def test_it_may_be_used_while_it_loads(self):
        assert baseline_of().is_fresh(100.0)

    async def test_it_may_be_used_for_a_few_seconds(self):
        baseline = baseline_of()
        assert baseline.is_fresh(100.0 + LIFE_SECONDS - 0.1)
        assert not baseline.is_fresh(100.0 + LIFE_SECONDS)

    async def test_it_is_not_used_any_more_once_much_has_followed(self):
        baseline = baseline_of()
        baseline.follow([Entry(b"x" * SINCE_BYTES)])
        assert baseline.is_fresh(100.0)
        baseline.follow([Entry(b"x")])
        assert not baseline.is_fresh(100.0)

    async def test_a_load_that_failed_is_tried_again_but_not_at_once(self):
        baseline = Baseline(100.0, asyncio.create_task(fails()))
        with pytest.raises(RedisUnavailable):
            await baseline.document()
        assert baseline.is_fresh(100.0 + FAILED_SECONDS - 0.1)
        assert not baseline.is_fresh(100.0 + FAILED_SECONDS)

    async def test_who_waits_and_is_cancelled_hurts_nobody_else(self):
        baseline = baseline_of(*keystrokes("a"))
        impatient, patient = asyncio.create_task(baseline.document()), asyncio.create_task(baseline.document())
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await patient).merged == keystrokes("a")[0].update


class TestWhatIsKnown:
    """What the document and everything since bring, as ranges of clocks."""

    async def test_it_is_what_the_document_has(self):
        assert (await baseline_of(*keystrokes("abc")).known()).structs == {5: [(0, 3)]}

    async def test_what_is_delivered_while_it_loads_is_known(self):
        first, *others = keystrokes("abc")
        baseline = baseline_of(first)
        baseline.follow(others)
        assert (await baseline.known()).structs == {5: [(0, 3)]}

    async def test_what_is_delivered_later_is_known_too(self):
        first, second, third = keystrokes("abc")
        baseline = baseline_of(first)
        for entry in (second, third):
            await baseline.known()
            baseline.follow([entry])
        assert (await baseline.known()).structs == {5: [(0, 3)]}

    async def test_two_who_ask_at_once_know_the_same_and_forget_nothing(self):
        first, *others = keystrokes("abc")
        baseline = baseline_of(first)
        baseline.follow(others)
        await asyncio.gather(baseline.known(), baseline.known())
        assert (await baseline.known()).structs == {5: [(0, 3)]}

    async def test_the_state_vector_is_that_of_all(self):
        first, *others = keystrokes("abc")
        baseline = baseline_of(first)
        baseline.follow(others)
        assert await baseline.state_vector() == ranges.encode_state_vector({5: 3})

    async def test_a_verbatim_update_is_known_like_any_other(self):
        baseline = baseline_of(*keystrokes("a"))
        baseline.follow([Entry(BIG_INT, verbatim=True)])
        assert await baseline.has(scan(BIG_INT))

    async def test_an_update_brings_nothing_if_all_its_clocks_are_known(self):
        first, *others = keystrokes("abc")
        baseline = baseline_of(first, *others)
        assert await baseline.has(scan(others[0].update))
        assert not await baseline.has(scan(keystrokes("abcd")[3].update))


class TestAnswers:
    """Updates to send first, and what of the document a client lacks."""

    async def test_who_has_nothing_gets_the_document(self):
        baseline = baseline_of(*keystrokes("abc"))
        before, difference = await baseline.answer(here(), merge.EMPTY_STATE_VECTOR)
        assert (before, scan(difference).structs) == ([], {5: [(0, 3)]})

    async def test_who_has_something_gets_what_it_lacks(self):
        baseline = baseline_of(*keystrokes("abc"))
        _, difference = await baseline.answer(here(), ranges.encode_state_vector({5: 2}))
        assert scan(difference).structs == {5: [(2, 3)]}

    async def test_who_has_all_gets_an_empty_update(self):
        baseline = baseline_of(*keystrokes("abc"))
        assert await baseline.answer(here(), ranges.encode_state_vector({5: 3})) == ([], merge.EMPTY_UPDATE)

    async def test_what_was_delivered_since_comes_first_as_one_update(self):
        first, *others = keystrokes("abc")
        baseline = baseline_of(first)
        baseline.follow(others)
        [update], _ = await baseline.answer(here(), merge.EMPTY_STATE_VECTOR)
        assert scan(update).structs == {5: [(1, 3)]}

    async def test_verbatim_updates_come_first_byte_for_byte(self):
        baseline = baseline_of(*keystrokes("a"))
        baseline.follow([Entry(BIG_INT, verbatim=True)])
        before, _ = await baseline.answer(here(), merge.EMPTY_STATE_VECTOR)
        assert before == [BIG_INT]
