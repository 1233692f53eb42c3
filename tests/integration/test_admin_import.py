"""Import in the admin: a file becomes a new room's content, unless it is none, is too large, or the room has some."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pycrdt import Doc, Text

from rooms import api
from rooms.models import Room
from tests.integration.admin_deeds import ROOMS, noted, room, staff
from tests.integration.conftest import Configure
from tests.integration.peers import text_update
from tests.integration.test_api import nested_arrays
from tests.support.processes import free_port
from tests.support.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)

IMPORT = f"{ROOMS}import/"
UPDATE = text_update("hello", 7)


@pytest.fixture(autouse=True)
def site(valkey: Valkey, configure: Configure) -> None:
    """A site with a Redis, and a store in the test's database."""
    configure(valkey, STORE="persistence.stores.database.DatabaseStore", MAX_DOCUMENT_BYTES=1_000_000)


def send(content: bytes = UPDATE, name: str = "essay", client: Client | None = None) -> Any:
    """Fill in the form and send it."""
    file = SimpleUploadedFile("document.bin", content)
    return (client or staff("view_room", "import_room")).post(IMPORT, {"room": name, "file": file}, follow=True)


def test_a_new_room_has_the_content_and_a_row_and_it_is_noted() -> None:
    response = send()
    assert response.redirect_chain == [(f"{ROOMS}{Room.objects.get(name='essay').pk}/change/", 302)]
    assert api.text_sync("essay", "text") == "hello"
    assert noted() == [("essay", f"Imported a document of {len(UPDATE)}\xa0bytes.")]


def test_what_was_exported_can_be_imported() -> None:
    room("from afar", "source")
    send(api.snapshot_sync("source"))
    assert api.text_sync("essay", "text") == "from afar"


def test_the_name_is_taken_in_its_canonical_form() -> None:
    send(name="caf%C3%A9")
    assert api.text_sync("café", "text") == "hello"


def test_a_room_with_content_is_left_alone() -> None:
    room("theirs")
    assert "The room has content already" in send().text
    assert api.text_sync("essay", "text") == "theirs"
    assert noted() == []


@pytest.mark.usefixtures("registering")
def test_a_deleted_room_too() -> None:
    api.delete_sync("essay")
    client = staff("view_room", "import_room")
    assert "The room is deleted" in send(client=client).text
    assert f"{IMPORT}?room" not in client.get(f"{ROOMS}{Room.objects.get().pk}/change/").text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>", "This can&#x27;t be the content of a room: "),
        (UPDATE[:-1], "This can&#x27;t be the content of a room: "),
        (b"\0\0", "This can&#x27;t be the content of a room: "),
        (b"", "The submitted file is empty."),
        (b"x" * 1_000_001, "a document may have 976.6\xa0KB"),
        (nested_arrays(100_000), "A process that tried to read it ended"),
    ],
    ids=["html", "cut", "nothing", "empty", "large", "deadly"],
)
def test_what_is_no_document_is_refused(content: bytes, words: str) -> None:
    assert words in send(content).text
    assert not api.exists_sync("essay")
    assert (Room.objects.count(), noted()) == (0, [])


def test_an_update_that_continues_another_is_refused() -> None:
    document: Doc[Any] = Doc()
    text = document.get("text", type=Text)
    text += "hello"
    before = document.get_state()
    text += " world"
    assert "needs others that are not in it" in send(document.get_update(before)).text
    assert not api.exists_sync("essay")


def test_only_the_room_can_be_filled_in_by_a_link() -> None:
    response = staff("view_room", "import_room").post(f"{IMPORT}?file=x&room=essay", {"room": "essay"})
    assert response.status_code == 200
    assert "This field is required" in response.text


@pytest.mark.parametrize("name", ["x\u2028x", "x" * 256])
def test_what_can_not_be_a_name_is_refused(name: str) -> None:
    assert "This can&#x27;t be the name of a room" in send(name=name).text


def test_without_redis_it_is_told(configure: Configure, valkey: Valkey) -> None:
    configure(valkey, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    assert "Not now: " in send().text


@pytest.mark.parametrize("permissions", [("view_room",), ("import_room",), ("view_room", "export_room", "add_room")])
def test_who_may_not_can_not(permissions: tuple[str, ...]) -> None:
    client = staff(*permissions)
    assert (send(client=client).status_code, client.get(IMPORT).status_code) == (403, 403)
    assert IMPORT not in client.get(ROOMS).content.decode()
    assert not api.exists_sync("essay")


def test_who_is_not_on_the_staff_is_asked_to_log_in() -> None:
    for client in (Client(), staff("view_room", "import_room", is_staff=False)):
        assert "/admin/login/" in send(client=client).redirect_chain[0][0]
    assert not api.exists_sync("essay")


def test_the_list_and_an_empty_rooms_page_lead_to_it() -> None:
    client, empty = staff("view_room", "import_room"), Room.objects.create(name='"><b>')
    assert f'href="{IMPORT}"' in client.get(ROOMS).text
    link = f"{IMPORT}?room=%22%3E%3Cb%3E"
    assert f'href="{link}"' in client.get(f"{ROOMS}{empty.pk}/change/").text
    assert 'value="&quot;&gt;&lt;b&gt;"' in client.get(link).text
    assert f"{IMPORT}?room" not in client.get(f"{ROOMS}{room().pk}/change/").text
