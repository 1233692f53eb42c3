"""`manage.py check` tells every mistake in settings.YREDIS that it can find, each under its id."""

import pytest
from django.core.checks import Tags, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import modify_settings, override_settings

from rooms.checks import check_settings
from rooms.conf import conf
from rooms.routing import with_rooms
from rooms.store import Store

GOOD = {"REDIS_URL": "redis://localhost:6379/0", "AUTHORIZE": "authbridge.authorizer.authorize"}

no_function = "not callable"


class Heir(Store):
    """A store that has no `load` but that of the protocol."""


async def load(room: str) -> None:
    """Be no class."""


async def loader(room: str) -> None:
    """Be no class, and have a `load` all the same."""


loader.load = load


@pytest.fixture(autouse=True)
def forgotten():
    """Whatever a test made of the settings is forgotten after it."""
    yield
    conf.cache_clear()


def found(**settings: object) -> list[str]:
    """Return the ids of what is wrong with `settings` over good ones."""
    with override_settings(YREDIS=GOOD | settings):
        return [message.id for message in check_settings()]


def test_good_settings_are_silent():
    assert found() == []


def test_the_demo_sites_settings_are_silent():
    assert check_settings() == []


@pytest.mark.parametrize(
    "settings",
    [{"REDDIS_URL": "redis://localhost"}, {"SHARDS": "16"}, {"SHARDS": 0}, {"DEBOUNCE_SECONDS": -1}, {"PREFIX": ""}],
)
def test_e001_unknown_keys_and_bad_values(settings):
    assert found(**settings) == ["yredis.E001"]


@pytest.mark.parametrize("setting", [None, [], "redis://localhost"])
def test_e001_no_dictionary(setting):
    with override_settings(YREDIS=setting):
        assert [message.id for message in check_settings()] == ["yredis.E001"]


@pytest.mark.parametrize(
    "url", ["", "localhost", "localhost:6379", "http://localhost", "redis://localhost:port", "redis://localhost:99999"]
)
def test_e002_no_url_of_a_redis(url):
    assert found(REDIS_URL=url) == ["yredis.E002"]


@pytest.mark.parametrize(
    "url", ["redis://:s3cr3t/pw@host", "redis://u:s3cr3t?pw@host", "redis://:s3cr3t[pw@host", "s3cr3t://u:s3cr3t@host"]
)
def test_e002_says_nothing_of_a_password(url):
    with override_settings(YREDIS=GOOD | {"REDIS_URL": url}):
        (message,) = check_settings()
    assert "REDIS_URL" in message.msg
    assert "s3cr3t" not in f"{message}"


@pytest.mark.parametrize(
    "url", ["redis://localhost", "rediss://u:p@[::1]:6380/2", "unix:///run/redis.sock?db=1", "redis://h?protocol=2"]
)
def test_every_form_of_a_redis_url_is_taken(url):
    assert found(REDIS_URL=url) == []


@pytest.mark.parametrize("key", ["STORE", "AUTHORIZE"])
@pytest.mark.parametrize(
    "path", ["", "nodots", "no.such.module", "rooms.store.NoSuchThing", "rooms.conf.KIB", f"{__name__}.no_function"]
)
def test_e003_what_cannot_be_imported_or_called(key, path):
    assert found(**{key: path}) == ["yredis.E003"]


@pytest.mark.parametrize("path", ["rooms.store.Store", f"{__name__}.Heir", f"{__name__}.loader"])
def test_e003_a_store_that_loads_nothing(path):
    assert found(STORE=path) == ["yredis.E003"]


@pytest.mark.parametrize(
    ("app", "settings"),
    [
        ("authbridge", {"AUTHORIZE": "authbridge.authorizer.authorize"}),
        ("persistence", {"STORE": "persistence.stores.database.DatabaseStore"}),
    ],
)
def test_e004_an_app_that_is_not_installed(app, settings):
    assert found(**settings) == []
    with modify_settings(INSTALLED_APPS={"remove": app}):
        assert found(**settings) == ["yredis.E004"]


def test_e005_a_channel_layer_that_there_is_not(settings):
    settings.CHANNEL_LAYERS = {"other": {}}
    assert found(CHANNEL_LAYER="nowhere") == ["yredis.E005"]
    assert found(CHANNEL_LAYER="other") == found(CHANNEL_LAYER="") == found() == []


def test_e001_tells_all_that_is_wrong():
    with override_settings(YREDIS={"REDDIS_URL": "", "SHARDS": "16", "PREFIX": "", "JWT_KEYS": "key"}):
        (message,) = check_settings()
    assert [part.split()[1] for part in message.msg.split("; ")] == ["unknown", "SHARDS", "JWT_KEYS", "PREFIX"]


@pytest.mark.parametrize(
    ("number", "settings"),
    [
        ("E001", {"SHARDS": 0}),
        ("E003", {"STORE": "no.store"}),
        ("E204", {"PERMISSION": "no.policy", "AUTHORIZE": "authbridge.authorizer.authorize"}),
        ("E101", {"STORAGE": "nowhere", "STORE": "persistence.stores.files.FileStore"}),
        ("E104", {"WEBHOOK_URL": "nowhere", "STORE": "persistence.stores.database.DatabaseStore"}),
    ],
)
def test_a_server_does_not_start_with_what_a_check_of_any_app_finds(number, settings):
    with override_settings(YREDIS=GOOD | settings), pytest.raises(ImproperlyConfigured, match=f"yredis.{number}"):
        with_rooms(None)


def test_a_store_of_ours_is_taken():
    assert found(STORE="rooms.store.StreamOnly") == []


def test_both_paths_are_looked_at():
    assert found(STORE="no.store", AUTHORIZE="no.authorizer", REDIS_URL="nowhere") == [
        "yredis.E002",
        "yredis.E003",
        "yredis.E003",
    ]


def test_w001_nobody_may_enter():
    with override_settings(YREDIS={}):
        assert [message.id for message in check_settings()] == ["yredis.W001"]


def test_every_message_says_what_to_do():
    with override_settings(YREDIS={"REDIS_URL": "nowhere", "STORE": "no.store"}):
        assert all(message.hint and message.msg.startswith("YREDIS") for message in check_settings())


def test_django_runs_the_check():
    with override_settings(YREDIS={"SHARDS": 0}):
        assert "yredis.E001" in [message.id for message in run_checks(tags=[Tags.security])]
