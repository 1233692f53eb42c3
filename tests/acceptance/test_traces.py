"""Real and generated editing histories, typed by real clients on two servers."""

import asyncio
import gzip
import json
import os
import random
import time
from pathlib import Path

import pytest

from tests.support.clients import NodeClients, converge
from tests.support.notes import note
from tests.support.stack import Stack, room

GENERATED = Path(__file__).resolve().parent.parent / "corpus" / "concurrent-history.json.gz"
TRACES = os.environ.get("YREDIS_TRACES", "")


def histories() -> list[Path]:
    """Return the concurrent histories: the project's own, and a real one where YREDIS_TRACES names its folder."""
    return [GENERATED, *([Path(TRACES) / "friendsforever.json.gz"] if TRACES else [])]


def generated_keystrokes(path: Path, *, seed: int, number: int = 30_000) -> Path:
    """Write a sequential history: somebody types, jumps, and deletes; return its path."""
    chance, text, at, keystrokes = random.Random(seed), "", 0, []
    for _ in range(number):
        if chance.random() < 0.02:
            at = chance.randint(0, len(text))
        deleted = 1 if at and chance.random() < 0.2 else 0
        typed = "" if deleted else chance.choice("abcdefghij klmnop\n")
        at -= deleted
        keystrokes.append({"patches": [[at, deleted, typed]]})
        text = text[:at] + typed + text[at + deleted :]
        at += len(typed)
    history = {"startContent": "", "endContent": text, "txns": keystrokes}
    path.write_bytes(gzip.compress(json.dumps(history).encode()))
    return path


@pytest.fixture(scope="module", autouse=True)
def say_what_is_missing() -> None:
    """Print a line when there are no real histories."""
    if not TRACES:
        note("YREDIS_TRACES is not set: only the generated history is replayed")


class TestConcurrentHistory:
    """Each recorded author is one client; each merges what the recording says it had seen."""

    @pytest.mark.parametrize("path", histories(), ids=lambda path: path.name.partition(".")[0])
    async def test_all_clients_and_a_fresh_one_end_with_the_recorded_text(
        self, stack: Stack, node: NodeClients, path: Path
    ) -> None:
        name = room("history")
        plan = await node.request("plan", path=str(path))
        authors = [await node.open(f"author{n}", stack.urls[n % 2], name) for n in range(len(plan["updates"]))]
        await asyncio.gather(*(author.synced() for author in authors))
        began = time.monotonic()
        await asyncio.gather(*(a.do("replay", path=str(path), agent=n) for n, a in enumerate(authors)))
        await asyncio.gather(*(author.wait(text=plan["end"], seconds=60) for author in authors))
        note(f"{path.name}: {sum(plan['updates'])} updates in {time.monotonic() - began:.1f} s")
        fresh = await (await node.open("fresh", stack.urls[0], name)).synced()
        assert await fresh.text() == plan["end"]
        await converge([*authors, fresh], seconds=30)
        assert [(await author.info())["closes"] for author in authors] == [[]] * len(authors)
        assert await stack.judge(authors, fresh=fresh) == []


class TestSequentialHistory:
    """The keystrokes of one author, 100 of them to an update: of a real paper where YREDIS_TRACES has it."""

    @pytest.fixture(params=["generated", *(["automerge-paper"] if TRACES else [])])
    def path(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
        """A history's file."""
        name = f"{request.param}.json.gz"
        return generated_keystrokes(tmp_path / name, seed=9) if request.param == "generated" else Path(TRACES) / name

    async def test_the_final_text_is_the_recorded_one(self, stack: Stack, node: NodeClients, path: Path) -> None:
        name = room("paper")
        author = await (await node.open("author", stack.urls[0], name)).synced()
        reader = await (await node.open("reader", stack.urls[1], name)).synced()
        end = await node.request("endContent", path=str(path))
        began = time.monotonic()
        await author.do("replaySequential", path=str(path), each=100)
        await reader.wait(text=end, seconds=120)
        note(f"{path.name}: {time.monotonic() - began:.1f} s")
        fresh = await (await node.open("fresh", stack.urls[1], name)).synced()
        assert await fresh.text() == end == await author.text()
        await converge([author, reader, fresh], seconds=30)
