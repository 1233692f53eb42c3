"""The auditor finds nothing where nothing is wrong, and finds each loss that is planted."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from pycrdt import Doc, Text

from rooms import names
from rooms.entries import Entry, EntryId, encode
from tests.auditor import Sources, audit, gather
from tests.auditor.coverage import Coverage
from tests.support.folder_store import FolderStore, persist
from tests.support.stack import KEYS
from tests.support.valkey import Valkey, stream_entries

ROOT = Path(__file__).resolve().parent.parent.parent


def typed(client_id: int, *words: str) -> list[bytes]:
    """Return one update for each word that a client appends, and one more that deletes the first character."""
    doc: Doc[Text] = Doc(client_id=client_id)
    text = doc.get("t", type=Text)
    updates: list[bytes] = []
    subscription = doc.observe(lambda event: updates.append(event.update))
    for word in words:
        text += word
    del text[0]
    doc.unobserve(subscription)
    return updates


class Run:
    """The evidence of a run, made by hand: rooms in Redis, an acceptance log, journals, reports."""

    def __init__(self, folder: Path, client: "redis.Redis", url: str) -> None:
        self.folder, self.client, self.url = folder, client, url
        for kind in ("accepted", "journals"):
            (folder / kind).mkdir()

    def accept(self, room: str, updates: list[bytes]) -> None:
        """Append updates as the servers do: due entry, stream, head, acceptance log."""
        self.client.zadd(KEYS.due_of(room), {names.key_part(room): 1})
        log = self.folder / "accepted" / "1.jsonl"
        with log.open("a") as lines:
            for update in updates:
                self.client.xadd(KEYS.room(room), {"e": encode(Entry(update))})
                lines.write(json.dumps({"room": room, "update": base64.b64encode(update).decode()}) + "\n")

    def journal(self, name: str, room: str, client_id: int, updates: list[bytes]) -> None:
        """Write a client's journal."""
        head = {"client": name, "clientId": client_id, "room": room}
        lines = [{"n": n, "update": base64.b64encode(update).decode()} for n, update in enumerate(updates)]
        path = self.folder / "journals" / f"{name}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in (head, *lines)))

    def report(self, name: str, room: str, updates: list[bytes], *, fresh: bool = False, **other: Any) -> None:
        """Write a client's final state: the document that `updates` make."""
        held = Coverage.of(updates)
        state = {
            "client": name,
            "room": room,
            "connected": True,
            "fresh": fresh,
            "pending": False,
            "structs": {client: spans[-1][1] for client, spans in held.structs.items()},
            "deletes": held.deletes,
            "content": "same",
            "digest": "same",
        }
        (self.folder / "journals" / f"{name}.state.json").write_text(json.dumps(state | other))

    async def findings(self, *rooms: str) -> list[str]:
        """Return "rule: text" of all findings."""
        sources = Sources(self.url, rooms, self.folder / "accepted", self.folder / "journals")
        return [str(finding) for finding in audit(await gather(sources))]


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Redis of this module's own."""
    server = Valkey(tmp_path_factory.mktemp("auditor"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def run(valkey: Valkey, tmp_path: Path) -> Iterator[Run]:
    """Two rooms, a writer in each, and a fresh client in the first: nothing is wrong."""
    valkey.flushall()
    with valkey.client() as client:
        made = Run(tmp_path, client, valkey.url)
        for room, name, client_id in (("demo-a", "ann", 1001), ("demo-b", "bob", 1002)):
            updates = typed(client_id, "one ", "two ", "three")
            made.journal(name, room, client_id, updates)
            made.accept(room, updates)
            made.report(name, room, updates)
        made.report("fresh", "demo-a", typed(1001, "one ", "two ", "three"), fresh=True)
        yield made


class TestFindings:
    """One planted fault, one finding of its rule."""

    async def test_a_sound_run_has_no_findings(self, run: Run) -> None:
        assert await run.findings() == []

    async def test_a_lost_entry_is_found(self, run: Run) -> None:
        entry_id, _ = list(stream_entries(run.client, KEYS.room("demo-a")))[1]
        run.client.xdel(KEYS.room("demo-a"), entry_id)
        findings = await run.findings("demo-a")
        assert findings
        assert all("(c) demo-a: Redis and the store lack structs 4 to 7 of client 1001" in line for line in findings)

    async def test_a_lost_deletion_is_found(self, run: Run) -> None:
        entry_id, _ = list(stream_entries(run.client, KEYS.room("demo-a")))[-1]
        run.client.xdel(KEYS.room("demo-a"), entry_id)
        assert any("lack deletions 0 to 0 of client 1001" in line for line in await run.findings("demo-a"))

    async def test_what_a_connected_writer_typed_but_nobody_accepted_is_found(self, run: Run) -> None:
        updates = typed(1001, "one ", "two ", "three", "more")
        run.journal("ann", "demo-a", 1001, updates)
        assert any("(a) demo-a: fresh's document lacks" in line for line in await run.findings("demo-a"))

    async def test_what_a_writer_that_left_could_not_send_is_no_finding(self, run: Run) -> None:
        run.journal("ann", "demo-a", 1001, typed(1001, "one ", "two ", "three", "more"))
        run.report("ann", "demo-a", typed(1001, "one ", "two ", "three", "more"), connected=False)
        assert await run.findings("demo-a") == []

    async def test_a_fresh_client_that_was_given_less_is_found(self, run: Run) -> None:
        run.report("fresh", "demo-a", typed(1001, "one ")[:1], fresh=True)
        findings = await run.findings("demo-a")
        assert any(line.startswith("(a) demo-a: fresh's document lacks structs 4 to") for line in findings)
        assert any(line.startswith("(b) demo-a: ann and fresh differ in state vector, deletions") for line in findings)

    async def test_another_content_with_the_same_structs_is_found(self, run: Run) -> None:
        run.report("fresh", "demo-a", typed(1001, "one ", "two ", "three"), fresh=True, content="other")
        assert await run.findings("demo-a") == ["(b) demo-a: ann and fresh differ in content"]

    async def test_a_client_that_waits_for_missing_updates_is_found(self, run: Run) -> None:
        run.report("ann", "demo-a", typed(1001, "one ", "two ", "three"), pending=True)
        assert await run.findings("demo-a") == ["(b) demo-a: ann still waits for updates that others build upon"]

    async def test_a_stream_without_a_due_entry_is_found(self, run: Run) -> None:
        run.client.zrem(KEYS.due_of("demo-a"), "demo-a")
        assert await run.findings() == ["(d) demo-a: its stream has entries, but it is neither due nor leased"]

    @pytest.mark.parametrize("kind", ["hash", "zset"])
    async def test_a_leased_room_needs_no_due_entry(self, run: Run, kind: str) -> None:
        run.client.zrem(KEYS.due_of("demo-a"), "demo-a")
        lease = KEYS.due_of("demo-a").replace(":due", ":lease")
        if kind == "hash":
            run.client.hset(lease, "demo-a", "worker")
        else:
            run.client.zadd(lease, {"demo-a": 1})
        assert await run.findings() == []

    async def test_a_foreign_update_is_found(self, run: Run) -> None:
        run.client.xadd(KEYS.room("demo-a"), {"e": encode(Entry(typed(1002, "one ")[0]))})
        assert "(e) demo-a: holds what client 1002 made in demo-b" in await run.findings()

    async def test_an_entry_that_is_none_is_found(self, run: Run) -> None:
        run.client.xadd(KEYS.room("demo-a"), {"e": b"\x63"}, id=str(EntryId(2**44, 0)))
        assert await run.findings("demo-a") == [
            "(c) demo-a: entry 17592186044416-0 can't be read: Undecodable: an entry of version 99"
        ]


class TestStore:
    """What a store holds counts as kept."""

    async def test_what_was_persisted_and_trimmed_is_not_lost(self, run: Run, tmp_path: Path) -> None:
        store = FolderStore(tmp_path / "store")
        await persist(run.client, KEYS, store, "demo-a")
        assert run.client.xlen(KEYS.room("demo-a")) == 0
        sources = Sources(run.url, ["demo-a"], run.folder / "accepted", run.folder / "journals", store=store)
        assert audit(await gather(sources)) == []
        assert [finding.rule for finding in audit(await gather(Sources(run.url, ["demo-a"], run.folder / "accepted")))]


class TestCommandLine:
    """`python -m tests.auditor`."""

    @staticmethod
    def auditor(*arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the command."""
        command = [sys.executable, "-m", "tests.auditor", *arguments]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    def with_folders(self, run: Run, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the command with the run's folders."""
        folders = ("--accept-log", str(run.folder / "accepted"), "--journals", str(run.folder / "journals"))
        return self.auditor("--redis", run.url, *folders, *arguments)

    def test_it_prints_counts_and_the_seed(self, run: Run) -> None:
        done = self.with_folders(run, "--seed", "77", "--rooms", "demo-a", "demo-b")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == (
            "auditor: 2 rooms, 8 accepted, 2 journals, 8 journaled, 3 clients compared, 8 stream entries, "
            "0 stored updates, seed 77: 0 findings\n"
        )

    def test_it_exits_1_on_a_finding(self, run: Run) -> None:
        run.client.zrem(KEYS.due_of("demo-a"), "demo-a")
        done = self.with_folders(run)
        assert done.returncode == 1
        assert done.stdout.startswith("(d) demo-a: ")

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["--redis", "redis://127.0.0.1:1/0"],
            ["--redis", "nonsense"],
            ["--redis", "redis://127.0.0.1:1/0", "--accept-log", "/does/not/exist"],
            ["--redis", "redis://127.0.0.1:1/0", "--store", "no.such.Store"],
            ["--redis", "redis://127.0.0.1:1/0", "--rooms", "a\nb"],
            ["--redis", "redis://127.0.0.1:1/0", "--shards", "many"],
        ],
    )
    def test_a_bad_argument_is_one_line(self, arguments: list[str]) -> None:
        done = self.auditor(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("auditor: ")
        assert done.stderr.count("\n") == 1
