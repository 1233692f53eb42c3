"""`manage.py check` tells every mistake in where segments are kept."""

from typing import Any

import pytest
from django.db import connections

from persistence.checks import check_store

FILES, DATABASE = "persistence.stores.files.FileStore", "persistence.stores.database.DatabaseStore"
FOLDER = "django.core.files.storage.FileSystemStorage"
MEMORY = {"BACKEND": "django.core.files.storage.InMemoryStorage"}


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The settings of a database that other processes can read."""
    monkeypatch.setitem(connections["default"].settings_dict, "NAME", "/srv/mysite/db.sqlite3")
    monkeypatch.setitem(connections["default"].settings_dict, "OPTIONS", {"transaction_mode": "IMMEDIATE"})
    return connections["default"].settings_dict


@pytest.fixture
def found(settings: Any) -> Any:
    """Return the ids of what is wrong, by `found(STORE=...)`, with STORAGES of the test's own."""

    def ids(given: dict[str, Any] | None = None, **yredis: Any) -> list[str]:
        folder = {"BACKEND": FOLDER, "OPTIONS": {"location": "/srv/mysite/rooms"}}
        settings.STORAGES = settings.STORAGES | {"rooms": folder, **(given or {})}
        settings.YREDIS = {"STORE": FILES, "STORAGE": "rooms", **yredis}
        return [message.id for message in check_store()]

    return ids


def test_good_settings_are_silent(found):
    assert found() == []
    assert found(STORE=DATABASE) == []


def test_a_store_that_can_not_be_imported_or_is_none_of_ours_is_told_by_others(found):
    assert found(STORE="no.such.Store") == []
    assert found(STORE="rooms.store.StreamOnly") == []


def test_e101_a_storage_that_there_is_not(found):
    assert found(STORAGE="nowhere") == ["yredis.E101"]


def test_e101_a_storage_that_can_not_be_made(found):
    assert found({"rooms": {"BACKEND": "no.such.Storage"}}) == ["yredis.E101"]


def test_e102_a_storage_in_memory(found):
    assert found({"rooms": MEMORY}) == ["yredis.E102"]


def test_e102_a_database_in_memory(found, database, monkeypatch):
    monkeypatch.setitem(database, "NAME", ":memory:")
    assert found(STORE=DATABASE) == ["yredis.E102"]


def test_e103_files_that_may_be_swept_before_their_row(found):
    assert found(STORE=DATABASE, LEASE_SECONDS=30, ORPHAN_GRACE_SECONDS=119) == ["yredis.E103"]
    assert found(LEASE_SECONDS=30, ORPHAN_GRACE_SECONDS=120) == []


def test_w101_the_storage_of_uploads(found):
    assert found(STORAGE="default") == ["yredis.W101"]


def test_w101_another_name_for_the_folder_of_uploads(found, settings):
    settings.MEDIA_ROOT = "/srv/mysite/media"
    assert found({"rooms": {"BACKEND": FOLDER}}) == ["yredis.W101"]


@pytest.mark.parametrize("options", [{}, {"timeout": 20}, {"transaction_mode": "DEFERRED"}], ids=str)
def test_w103_sqlite_that_does_not_wait_for_its_lock(found, database, monkeypatch, options):
    monkeypatch.setitem(database, "OPTIONS", options)
    assert found(STORE=DATABASE) == found() == ["yredis.W103"]


def test_one_mistake_hides_no_other(found):
    grace = {"LEASE_SECONDS": 30, "ORPHAN_GRACE_SECONDS": 1}
    assert found({"default": MEMORY}, STORAGE="default", **grace) == ["yredis.W101", "yredis.E102", "yredis.E103"]
    assert found(STORAGE="nowhere", **grace) == ["yredis.E101", "yredis.E103"]
