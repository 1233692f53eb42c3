"""The walk over updates, held against some thousand histories of real Yjs and a great many mutated updates."""

import json
import subprocess
import sys
from collections import Counter

import pytest

from rooms.merge import EMPTY_UPDATE, tree_merge
from rooms.scan import covers, scan, state_vector, union
from tests.corpus.histories import COUNT, histories, replayed

MUTATIONS = 100_000
SEED = 20_261_123
SMALL_BYTES = 600
"""Longer updates are seldom hit where it matters."""


@pytest.fixture(scope="module")
def corpus():
    return histories()


class TestRealUpdates:
    def test_there_are_enough_of_every_kind(self, corpus):
        kinds = Counter(history.kind for history in corpus)

        assert kinds.total() == COUNT >= 2000
        assert min(kinds[kind] for kind in ("typing", "rich", "map", "array", "xml", "all", "odd")) >= COUNT // 7

    def test_each_is_accepted_and_holds_what_yjs_says(self, corpus):
        for history in corpus:
            for described in (*history.updates, history.final):
                scanned = scan(described.update)
                assert scanned.structs == described.structs
                assert scanned.deletes == described.deletes
                assert state_vector(scanned.structs) == described.state_vector

    def test_updates_together_say_what_is_in_the_document_that_they_make(self, corpus):
        """Their deletions are fewer: a map's value is deleted by a newer one without any update saying so."""
        for history in corpus:
            structs: dict[int, list[tuple[int, int]]] = {}
            deletes: dict[int, list[tuple[int, int]]] = {}
            for described in history.updates:
                scanned = scan(described.update)
                structs, deletes = union(structs, scanned.structs), union(deletes, scanned.deletes)
            assert state_vector(structs) == history.final.state_vector
            assert covers(history.final.deletes, deletes)

    def test_what_pycrdt_merged_is_accepted_and_lacks_nothing(self, corpus):
        for history in corpus:
            scans = [(each.update, scan(each.update)) for each in history.updates]
            mergeable = [(update, scanned) for update, scanned in scans if not scanned.verbatim]
            merged = scan(tree_merge([update for update, _ in mergeable]))
            for _, scanned in mergeable:
                assert covers(merged.structs, scanned.structs)
                assert covers(merged.deletes, scanned.deletes)

    def test_merging_all_but_the_verbatim_ones_changes_no_content(self, corpus):
        rooms = [_merged_and_verbatim([each.update for each in history.updates]) for history in corpus]

        for history, (content, vector) in zip(corpus, replayed(rooms), strict=True):
            assert (history.seed, content, vector) == (history.seed, history.content, history.final.state_vector)

    def test_some_need_to_stay_verbatim_and_most_do_not(self, corpus):
        marked = Counter(scan(each.update).verbatim for history in corpus for each in history.updates)

        assert marked.total() // 10 > marked[True] > 1000


def _merged_and_verbatim(updates: list[bytes]) -> list[bytes]:
    verbatim = [update for update in updates if scan(update).verbatim]
    mergeable = [update for update in updates if not scan(update).verbatim]
    return [tree_merge(mergeable) if mergeable else EMPTY_UPDATE, *verbatim]


@pytest.fixture(scope="module")
def survived(corpus, tmp_path_factory):
    """Return the counts of a run of mutated updates through a child process, and an example of each of its results."""
    black_box = tmp_path_factory.mktemp("survive") / "black-box"
    small = [each.update.hex() for history in corpus for each in history.updates if len(each.update) < SMALL_BYTES]
    command = [sys.executable, "-m", "tests.corpus.survive", str(SEED), str(MUTATIONS), str(black_box)]
    done = subprocess.run(command, input="\n".join(small), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {SEED}: died of {black_box.read_text()[:4000]}\n{done.stderr[-2000:]}"
    return json.loads(done.stdout)


class TestMutatedUpdates:
    """In a child process, because what this looks for ends processes."""

    def test_most_are_refused_and_enough_are_not(self, survived):
        counts = survived["counts"]

        assert sum(counts[result] for result in ("malformed", "verbatim", "accepted")) == MUTATIONS >= 50_000
        assert counts["malformed"] > counts["accepted"] > MUTATIONS // 20

    def test_what_scan_accepted_pycrdt_merges_and_compares(self, survived):
        assert survived["counts"]["on_bytes: well"] == survived["counts"]["accepted"], survived["examples"]

    def test_what_scan_accepted_never_panics_in_a_document(self, survived):
        """It may be refused there: a parent that is no shared type is seen only when both are in one document."""
        assert "in_documents: panic" not in survived["counts"], survived["examples"]
