"""`manage.py quarantine`: what could not be persisted is looked at, tried again, or thrown away."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rooms.entries import Entry, encode
from tests.integration.persisting import append
from tests.integration.sites import Site, typed, within
from tests.support.processes import free_port
from tests.support.valkey import Valkey

POISON = bytes.fromhex("01010100020101748080808010013100")
ROWS = "SELECT id, entry_id, user_id, connection_id, data FROM yredis_persistence_quarantined ORDER BY id"


@pytest.fixture
def site(tmp_path: Path, own_valkey: Valkey, sqlite_template: Path) -> Iterator[Site]:
    """A site with one room, of whose three entries the second is poison; a worker has been at it."""
    site = Site(tmp_path / "site", own_valkey, sqlite_template)
    with own_valkey.client() as client:
        for payload in (typed("one "), POISON, typed("two ")):
            append(client, "essay", encode(Entry(payload, user_id="ann", connection_id="c-1")))
    site.worker()
    assert within(30, lambda: site.length("essay") == 0), site.workers[0].log_tail()
    yield site
    site.stop()


def state(site: Site) -> str:
    """Return the room's state."""
    return str(site.rows("SELECT state FROM yredis_rooms_room WHERE name = 'essay'")[0][0])


def test_it_is_listed_with_entry_client_and_reason(site: Site) -> None:
    [(number, entry_id, *_)] = site.rows(ROWS)
    done = site.manage("quarantine", "list")
    assert done.returncode == 0
    line = done.stdout.splitlines()[1]
    assert line.split()[:3] == [str(number), "essay", entry_id]
    assert "ann" in line
    assert "1 in quarantine" in done.stdout
    assert site.manage("quarantine", "list", "essay").stdout == done.stdout
    assert state(site) == "quarantined"


def test_its_bytes_are_kept_as_they_were_and_the_room_goes_on(site: Site) -> None:
    [(_, _, user, connection, data)] = site.rows(ROWS)
    assert (user, connection, data) == ("ann", "c-1", encode(Entry(POISON, user_id="ann", connection_id="c-1")))
    with site.valkey.client() as client:
        append(client, "essay", encode(Entry(typed("three "))))
    assert within(30, lambda: site.length("essay") == 0)
    assert site.segments("essay") == 2


def test_what_is_still_poison_is_not_appended(site: Site) -> None:
    done = site.manage("quarantine", "replay", "essay")
    assert done.returncode == 1
    assert "1 of 1 stay in quarantine" in done.stderr
    assert len(site.rows(ROWS)) == 1
    assert site.length("essay") == 0


def test_what_can_be_decoded_by_now_is_appended_again(site: Site) -> None:
    [(number, *_)] = site.rows(ROWS)
    healed = encode(Entry(typed("healed "), user_id="ann"))
    site.change("UPDATE yredis_persistence_quarantined SET data = ?", healed)
    site.stop()
    done = site.manage("quarantine", "replay", "--id", str(number))
    assert done.returncode == 0, done.stderr
    assert site.length("essay") == 1
    assert site.rows(ROWS) == []
    assert state(site) == "ok"


def test_what_is_discarded_is_gone(site: Site) -> None:
    assert site.manage("quarantine", "discard", "essay").returncode == 0
    assert site.rows(ROWS) == []
    assert state(site) == "ok"


@pytest.mark.parametrize("arguments", [["list", "nobody's"], ["discard", "nobody's"], ["replay", "nobody's"]])
def test_an_unknown_room_is_named(site: Site, arguments: list[str]) -> None:
    done = site.manage("quarantine", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "nobody's" in done.stderr


@pytest.mark.parametrize("arguments", [["list"], ["list", "essay"], ["discard", "--id", "1"], ["replay", "essay"]])
def test_a_database_that_does_not_answer_is_said_in_one_line(
    tmp_path: Path, valkey: Valkey, arguments: list[str]
) -> None:
    url = f"postgres://u:s3cr3t@127.0.0.1:{free_port()}/db"
    done = Site(tmp_path / "site", valkey, None).manage("quarantine", *arguments, env={"DATABASE_URL": url})
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "database does not answer" in done.stderr
    assert "s3cr3t" not in done.stderr


def test_a_database_without_tables_is_said_in_one_line(tmp_path: Path, valkey: Valkey) -> None:
    done = Site(tmp_path / "site", valkey, None).manage("quarantine", "list")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "run manage.py migrate" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"), [(["discard"], "Say what to discard"), (["replay", "--id", "999"], "no entry 999")]
)
def test_what_is_missing_is_said_in_one_line(site: Site, arguments: list[str], words: str) -> None:
    done = site.manage("quarantine", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert words in done.stderr
