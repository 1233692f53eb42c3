"""Deeds of the admin while Redis or the store goes away: what was done is told and noted, and no request lasts."""

import time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from persistence.models import Quarantined
from persistence.stores.database import DatabaseStore
from rooms import admin_doing
from rooms.errors import RedisUnavailable, StoreUnavailable
from rooms.lane import Lane
from rooms.models import Room
from rooms.streams import Streams
from tests.integration.admin_deeds import CASES, QUARANTINE, ROOMS, noted, quarantined, room, staff
from tests.integration.conftest import Configure
from tests.integration.test_admin_actions import VIEWS, press
from tests.integration.test_admin_actions import no_rows_for_new_rooms as no_rows_for_new_rooms
from tests.support.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)

STORE = "persistence.stores.database.DatabaseStore"
STATES = {"soft_delete": "deleted", "restore": "ok", "freeze": "ok", "thaw": "ok"}
SILENT = "Redis gives no answer, so nothing is known"


@pytest.fixture
def own(own_valkey: Valkey, configure: Configure) -> Valkey:
    """A site whose Redis may be killed or frozen."""
    configure(own_valkey, STORE=STORE, REDIS_TIMEOUT_SECONDS=0.5)
    return own_valkey


@pytest.fixture
def site(valkey: Valkey, configure: Configure) -> None:
    """A site whose Redis stays."""
    configure(valkey, STORE=STORE)


def let_fail(monkeypatch: pytest.MonkeyPatch, where: type, name: str, error: Exception) -> None:
    """Let a part give no answer from now on."""

    async def away(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(where, name, away)


def many(number: int) -> list[Room]:
    """Return so many rooms, a to z."""
    return [Room.objects.create(name=chr(ord("a") + each)) for each in range(number)]


class TestUnfinished:
    @pytest.mark.parametrize("how", ["kill", "freeze"])
    @pytest.mark.parametrize("name", STATES)
    def test_a_room_that_was_changed_is_told_and_noted_so(self, name: str, how: str, own: Valkey) -> None:
        one, client = CASES[name].make(), staff(*VIEWS, CASES[name].permission)
        client.get(ROOMS)
        getattr(own, how)()
        page = press(client, name, one).text
        assert "But not all servers were told (" in page
        assert page.count("Not done for") == 0
        [(who, what)] = noted()
        assert (who, "a worker tells them" in what) == ("essay", True)
        row = Room.objects.get()
        assert (row.state, row.is_read_only, row.is_settled) == (STATES[name], name == "freeze", False)

    @pytest.mark.usefixtures("site")
    @pytest.mark.parametrize(
        ("where", "part", "error"),
        [(Streams, "govern", RedisUnavailable("away")), (DatabaseStore, "erase", StoreUnavailable("away"))],
    )
    def test_an_erasure_that_began_too(
        self, where: type, part: str, error: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = room()
        let_fail(monkeypatch, where, part, error)
        text = "The room is being erased, but not all is done (away): a worker ends it."
        assert f'class="warning">{text} (essay)' in press(staff(*VIEWS, "erase_room"), "erase", one).text
        assert (noted(), Room.objects.get().state) == ([("essay", text)], "erasing")

    def test_an_erasure_that_did_not_begin_is_not_done(self, own: Valkey) -> None:
        one, client = room(), staff(*VIEWS, "erase_room")
        own.kill()
        assert "Not done for essay: " in press(client, "erase", one).text
        assert (noted(), Room.objects.get().state) == ([], "ok")

    @pytest.mark.usefixtures("site")
    def test_an_entry_that_was_perhaps_released_is_noted_and_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        one, client = quarantined(), staff(*VIEWS, "release_quarantined")
        let_fail(monkeypatch, Lane, "append_and_wait", RedisUnavailable("away"))
        assert "It may have been released or not (away)." in press(client, "release", one).text
        assert (len(noted()), Quarantined.objects.count()) == (1, 1)


class TestMany:
    def test_when_redis_is_away_the_others_are_not_tried(self, own: Valkey) -> None:
        chosen, client = many(3), staff(*VIEWS, "kick_room")
        client.get(ROOMS)
        own.freeze()
        page = press(client, "disconnect", *chosen).text
        assert "Not done for a: " in page
        assert "Not tried for b, c: the request ended after 1." in page
        assert page.count(SILENT) == 1

    def test_a_change_that_was_not_told_everywhere_is_the_last(self, own: Valkey) -> None:
        chosen, client = many(3), staff(*VIEWS, "freeze_room")
        client.get(ROOMS)
        own.kill()
        assert "Not tried for b, c: " in press(client, "freeze", *chosen).text
        assert Room.objects.filter(is_read_only=True).count() == 1

    def test_a_store_that_says_the_same_twice_is_away(self, configure: Configure, valkey: Valkey) -> None:
        configure(valkey)  # with a store that can't erase
        page = press(staff(*VIEWS, "erase_room"), "erase", *many(4)).text
        assert "Not done for a, b: MemoryStore has no erase" in page
        assert "Not tried for c, d: the request ended after 2." in page

    @pytest.mark.usefixtures("site")
    def test_what_takes_long_ends_before_the_request_does(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Clock:
            now = 0.0

            def monotonic(self) -> float:
                self.now += 15
                return self.now

        monkeypatch.setattr(admin_doing, "time", Clock())
        page = press(staff(*VIEWS, "kick_room"), "disconnect", *many(4)).text
        assert "Everybody was disconnected. (a)" in page
        assert "Not tried for b, c, d: the request ended after 1. Choose them again." in page

    @pytest.mark.usefixtures("site")
    def test_what_may_be_large_is_not_read_of_all_of_them(self) -> None:
        chosen, client = many(3), staff(*VIEWS, "kick_room")
        with CaptureQueriesContext(connection) as queries:
            press(client, "disconnect", *chosen)
        read = [each["sql"] for each in queries if '"yredis_rooms_room"."id" IN (' in each["sql"]]
        assert (len(read), [sql for sql in read if '"last_error"' in sql or '"activity"' in sql]) == (1, [])

    @pytest.mark.usefixtures("site")
    def test_the_way_back_is_looked_for_once(self) -> None:
        chosen = [quarantined()]
        for number in range(4):
            chosen.append(Quarantined.objects.create(room=chosen[0].room, entry_id=f"{number}-9", data=b"x"))
        client = staff(*VIEWS, "discard_quarantined")
        with CaptureQueriesContext(connection) as queries:
            assert press(client, "discard", *chosen, back="yes").redirect_chain == [(QUARANTINE, 302)]
        asked = [each for each in queries if 'SELECT 1 AS "a"' in each["sql"] and '"data"' not in each["sql"]]
        assert len([each for each in asked if 'WHERE "yredis_persistence_quarantined"."id" =' in each["sql"]]) == 1


class TestRoomsPage:
    def test_a_redis_that_is_frozen_is_waited_for_once(self, own: Valkey, configure: Configure) -> None:
        configure(own, STORE=STORE, REDIS_TIMEOUT_SECONDS=1.0)
        one, client = room(), staff(*VIEWS, "import_room")
        client.get(ROOMS)
        own.freeze()
        began = time.monotonic()
        page = client.get(f"{ROOMS}{one.pk}/change/").text
        assert time.monotonic() - began < 2
        assert page.count("TimeoutError") == 3  # connections, awareness, document
