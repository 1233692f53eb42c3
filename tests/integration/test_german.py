"""The site speaks German to a browser that asks for it: every word of ours on every page."""

import json
import re
from collections.abc import Awaitable, Callable
from html.parser import HTMLParser
from typing import Any

import pytest
import redis
from django.test import Client

from persistence import api as persistence_api
from persistence.models import Segment
from rooms import background, history, pool
from rooms.backend import backend
from rooms.history import Sample
from rooms.models import Room
from tests.integration.admin_deeds import CASES, ROOMS, noted, quarantined, room, staff
from tests.integration.conftest import Configure, Serve
from tests.integration.peers import Peer, eventually, settled
from tests.integration.persisting import KEYS
from tests.support.processes import free_port
from tests.support.valkey import Valkey

Seated = Callable[..., Awaitable[Peer]]

PERMISSIONS = ["view_room", "view_segment", "view_quarantined", "import_room"]
PERMISSIONS += sorted({case.permission for case in CASES.values()})
ENGLISH = re.compile(
    r"(?<![\w-])(?:the|of|and|or|to|by|for|from|with|not|yet|who|whom|that|this|these|what|it|its|is|are|be|been|has|have|"
    r"can|may|last|edited|persisted|room|rooms|entry|entries|user|document|segments|kind|where|created|reason|since|ago|"
    r"now|connections|appends|memory|oldest|state|failing|deleted|erase|restore|lag|value|row|rows|light|dark|welcome|run|select|results?|more)(?![\w-])",
    re.IGNORECASE,
)
"""Words that no German sentence has."""

READ = {"title", "placeholder", "aria-label", "alt", "data-stopped", "data-late"}
"""Attributes that people read."""


class Words(HTMLParser):
    """What people read on a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._unseen = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep attributes that are read."""
        self._unseen = tag in {"script", "style"}
        named = dict(attrs)
        is_button = tag == "input" and named.get("type") in {"submit", "button"}
        self.texts += [value or "" for name, value in attrs if name in READ or (is_button and name == "value")]

    def handle_endtag(self, tag: str) -> None:
        """Go on reading."""
        self._unseen = False

    def handle_data(self, data: str) -> None:
        """Keep text."""
        if not self._unseen:
            self.texts.append(data)

    @property
    def english(self) -> list[str]:
        """The texts with an English word in them."""
        return [text.strip() for text in self.texts if ENGLISH.search(text)]


def in_german(client: Client) -> Client:
    """Let a browser ask for German."""
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    return client


def read(url: str, *words: str, client: Client | None = None, **form: Any) -> None:
    """Look at a page, or send a form: it has these words, and none in English."""
    client = in_german(client or staff(*PERMISSIONS))
    page = (client.post(url, form, follow=True) if form else client.get(url)).content.decode()
    assert [word for word in words if word.lower() not in page.lower()] == []
    assert Words(page).english == []
    assert '<html lang="de"' in page


@pytest.mark.django_db(transaction=True)
class TestAdmin:
    @pytest.fixture(autouse=True)
    def site(self, valkey: Valkey, configure: Configure) -> None:
        """A site with a Redis, and a store in the test's database."""
        configure(valkey, STORE="persistence.stores.database.DatabaseStore")

    def test_the_list(self) -> None:
        Room.objects.bulk_create(Room(name=name, **{f"{name}": 1}) for name in ("failures", "has_gap", "is_verbatim"))
        words = ("zuletzt bearbeitet", "Verzögerung", "Übersicht", "Importieren", "Auf „Nur lesen“ setzen")
        read(ROOMS, *words, "gestört", "wartet auf ein fehlendes Update", "unverändert aufbewahrt")

    def test_the_list_without_redis(self, valkey: Valkey, configure: Configure) -> None:
        configure(valkey, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
        Room.objects.create(name="essay")
        page = in_german(staff("view_room")).get(ROOMS).text
        assert "Redis antwortet nicht, daher ist über den Augenblick nichts bekannt: " in page

    async def test_a_rooms_page(self, serve: Serve, seat: Seated) -> None:
        peer = await seat(await serve(), "essay", user_id="7")
        peer.show(7, 1, json.dumps({"user": {"name": "Änne"}}))
        peer.add("Hallo")
        await settled(peer)
        await eventually(lambda: peer.sees(7))

        def look() -> None:
            row = Room.objects.create(name="essay", activity=[[490_000, 3, 1024]])
            words = ("Änne (Benutzer 7, Client 7) auf ", "Updates pro Stunde: 3", "(Text)", "Wer da ist", "schreiben")
            read(f"{ROOMS}{row.pk}/change/", *words, "Alle Verbindungen trennen", "Steigt, wenn der Raum")

        await pool.run(look)

    def test_what_a_room_is_made_of(self) -> None:
        row = quarantined().room
        persistence_api.persist_sync(row.name)
        words = ("Delta", "in der Datenbank", "erster Eintrag", "Zeige alle", "Einträge in Quarantäne")
        read(f"{ROOMS}{row.pk}/change/", *words)
        read("/admin/yredis_persistence/segment/", "Persistenz der Räume", "Segmente")
        segment = Segment.objects.get()
        read(
            f"/admin/yredis_persistence/segment/{segment.pk}/change/", f"Delta {segment.pk}: ", " bis ", "Fence-Nummer"
        )

    @pytest.mark.parametrize("name", CASES)
    def test_what_a_deed_asks_and_says(self, name: str) -> None:
        one, case = CASES[name].make(), CASES[name]
        form = {"action": name, "_selected_action": [str(one.pk)]}
        client = staff(*PERMISSIONS)
        read(case.url, "Ja, ich bin sicher", client=client, **form)
        if name != "export":
            read(case.url, client=client, confirmed="1", **form)
            assert noted()

    def test_the_import(self) -> None:
        read(f"{ROOMS}import/", "Ein Dokument importieren", "Ein Yjs-Update, Version 1")
        read(f"{ROOMS}import/", "Dieses Feld ist zwingend erforderlich.", room="essay")

    def test_the_quarantine(self) -> None:
        one = quarantined()
        read("/admin/yredis_persistence/quarantined/", "Freigeben", "Verwerfen")
        read(f"/admin/yredis_persistence/quarantined/{one.pk}/change/", "Eintrag in Quarantäne", "Erste Bytes")

    def test_the_overview(self, redis_of: "redis.Redis") -> None:
        room("Hallo")
        background.run(_sampled())
        long_ago = redis_of.time()[0] - 120
        redis_of.hset(KEYS.servers, "lost", f"9 {long_ago}000 40 2 1")
        Room.objects.create(name="gone", failures=1, last_error="503", lag_seconds=90)
        words = (
            "Verbindungen: 10, von 10 bis 10",
            "vor einer Stunde",
            "seit 2,0 min stumm",
            "Es wird nichts persistiert",
        )
        read(f"{ROOMS}overview/", *words, "angenommene Updates", "1,5 min", "Sie sind abgemeldet")


async def _sampled() -> None:
    await (await backend()).client.run(history.add(KEYS, Sample(10, 0.5, 3, 90, 2048)))


@pytest.mark.django_db
class TestDemo:
    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("/", ("Gemeinsam schreiben, in Django", "Ein Gedicht", "stehen allen offen")),
            ("/edit/demo-notes", ("Verbinden …", "Gerade hier")),
            ("/sign-in", ("Anmelden", "Passwort")),
        ],
    )
    def test_its_pages(self, client: Client, url: str, words: tuple[str, ...]) -> None:
        read(url, *words, client=client)

    def test_a_name_that_no_room_can_have(self, client: Client) -> None:
        assert "So kann kein Raum heißen: " in in_german(client).get("/open", {"room": "x" * 300}).text

    def test_its_scripts(self, client: Client) -> None:
        script = in_german(client).get("/words.js").text
        [catalog] = re.findall(r"const newcatalog = (\{.*?\});", script, re.DOTALL)
        assert json.loads(catalog)["Connecting…"] == "Verbinden …"

    def test_english_is_spoken_to_everybody_else(self, client: Client) -> None:
        page = client.get("/", headers={"accept-language": "fr"}).text
        assert '<html lang="en' in page
        assert "Write together, in Django" in page
