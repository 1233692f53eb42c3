"""Content is seeded once, however many processes try: plain scripts, beside a worker that persists and trims."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.notes import note
from tests.support.stack import Stack, room
from yredis_project.servers import MANAGE

PROCESSES, ROOMS = 20, 100

SCRIPT = """
import json, random, sys
import django
django.setup()
from pycrdt import Text
from rooms import api

me, rooms = sys.argv[1], json.loads(sys.argv[2])
random.Random(me).shuffle(rooms)
api.exists_sync("warm")
print("ready", flush=True)
sys.stdin.readline()
won = [room for room in rooms if api.seed_sync(room, lambda doc: doc.get("text", type=Text).insert(0, f"<{me}>"))]
print(json.dumps(won), flush=True)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Redis, a database and a worker; nobody serves pages."""
    with Stack(tmp_path_factory.mktemp("seeding"), "daphne", servers=0, workers=1) as running:
        yield running


def seeded_by_all(site: Stack, rooms: list[str], processes: int) -> dict[str, list[str]]:
    """Let processes seed the rooms at once; return which of them says of each room that it has."""
    command = [sys.executable, "-c", SCRIPT]
    running = [
        subprocess.Popen(
            [*command, str(number), json.dumps(rooms)],
            cwd=Path(MANAGE).parent,
            env={**site.env, "DJANGO_SETTINGS_MODULE": "yredis_project.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    for one in running:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in running:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    winners: dict[str, list[str]] = {name: [] for name in rooms}
    for number, one in enumerate(running):
        for name in json.loads(one.communicate(timeout=120)[0]):
            winners[name].append(str(number))
    return winners


TEXTS = """
import json, sys
import django
django.setup()
from rooms import api
print(json.dumps({room: api.text_sync(room, "text") for room in json.loads(sys.stdin.read())}))
"""


def texts(site: Stack, rooms: list[str]) -> dict[str, str]:
    """Return what is in the rooms."""
    env = {**site.env, "DJANGO_SETTINGS_MODULE": "yredis_project.settings"}
    done = subprocess.run(
        [sys.executable, "-c", TEXTS],
        input=json.dumps(rooms),
        cwd=Path(MANAGE).parent,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


async def test_100_rooms_by_20_processes_once_each_also_after_they_were_trimmed(site: Stack) -> None:
    rooms = [room(f"seeded-{number}") for number in range(ROOMS)]
    winners = await asyncio.to_thread(seeded_by_all, site, rooms, PROCESSES)
    assert [len(won) for won in winners.values()] == [1] * ROOMS
    note(f"{ROOMS} rooms were seeded by {len({won[0] for won in winners.values()})} of {PROCESSES} processes")
    assert texts(site, rooms) == {name: f"<{won[0]}>" for name, won in winners.items()}
    await site.drained(*rooms, seconds=60)
    again = await asyncio.to_thread(seeded_by_all, site, rooms, 2)
    assert not any(again.values())
    assert texts(site, rooms) == {name: f"<{won[0]}>" for name, won in winners.items()}
