"""The journal of accepted entries, which the auditor believes."""

import base64
import json
import os

import pytest

from rooms import acceptlog
from rooms.entries import Entry, EntryId

ENTRY = Entry(b"\x00\xff", verbatim=True, user_id="u7", connection_id="c-1")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the journal's folder, which does not exist yet; close the file in the end."""
    monkeypatch.setattr(acceptlog, "folder", str(tmp_path / "accepted"))
    acceptlog._file.cache_clear()
    yield tmp_path / "accepted"
    if (tmp_path / "accepted").exists():
        acceptlog._file(os.getpid()).close()
    acceptlog._file.cache_clear()


def lines(folder) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / f"{os.getpid()}.jsonl").read_text().splitlines()]


def test_an_entry_becomes_a_line_with_all_that_the_auditor_needs(folder):
    acceptlog.note("ünï/cödé", EntryId(12, 3), ENTRY)
    [line] = lines(folder)
    assert line.pop("at") > 1_700_000_000
    assert base64.b64decode(line.pop("update")) == b"\x00\xff"
    assert line == {"room": "ünï/cödé", "id": "12-3", "connection": "c-1", "user": "u7", "verbatim": True}


def test_a_line_is_on_its_way_to_disk_when_note_returns(folder):
    for number in range(3):
        acceptlog.note("essay", EntryId(1, number), ENTRY)
        assert len(lines(folder)) == number + 1


def test_a_journal_is_appended_to(folder):
    acceptlog.note("essay", EntryId(1, 0), ENTRY)
    acceptlog._file(os.getpid()).close()
    acceptlog._file.cache_clear()
    acceptlog.note("essay", EntryId(2, 0), ENTRY)
    assert [line["id"] for line in lines(folder)] == ["1-0", "2-0"]


def test_a_name_with_a_line_break_could_not_forge_a_line(folder):
    acceptlog.note('a"}\n{"room":"b', EntryId(1, 0), ENTRY)
    assert len(lines(folder)) == 1


def test_without_a_folder_nothing_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(acceptlog, "folder", "")
    monkeypatch.chdir(tmp_path)
    acceptlog.note("essay", EntryId(1, 0), ENTRY)
    assert list(tmp_path.iterdir()) == []
