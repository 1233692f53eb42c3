"""The examples of docs/webhook.md and docs/persistence.md do what is said of them."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory

from persistence.outbox import Parcel
from persistence.signals import room_persisted
from persistence.webhook_request import Content
from persistence.webhooks import Deliverer
from rooms.conf import conf
from rooms.models import Room
from tests.integration.sites import typed

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
SECRET = "between us"


def examples(page: str) -> list[str]:
    """Return the Python of a page."""
    return re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def site(settings: Any) -> dict[str, Any]:
    """A receiving site with the page's code; what it keeps is in `kept`."""
    settings.WEBHOOK_SECRET = SECRET
    settings.YREDIS = {"WEBHOOK_URL": "http://localhost/hook", "WEBHOOK_SECRET": SECRET}
    kept: dict[str, str] = {}
    code: dict[str, Any] = {"keep": kept.__setitem__, "kept": kept}
    for example in examples("webhook.md"):
        exec(example, code)
    return code


async def answer(site: dict[str, Any], change: Any = None) -> int:
    """Return what the page's view answers to a request as a worker sends it."""
    parcel = Parcel(1, "essay", 1, 0, datetime.now(UTC))
    request = await Deliverer(conf()).request(parcel, Content(typed("hello")))
    headers, body = dict(request.headers), request.content
    if change:
        body = change(headers, body)
    content_type = headers.pop("content-type")
    return site["room_changed"](
        RequestFactory().put("/hook/essay", body, content_type, headers=headers), "essay"
    ).status_code


class TestTheWebhook:
    async def test_a_view_as_on_the_page_gets_the_document(self, site):
        assert await answer(site) == 204
        assert site["kept"] == {"essay": "hello"}

    @pytest.mark.parametrize(
        "change",
        [
            lambda headers, body: body.replace(b"hello", b"jello"),
            lambda headers, body: headers.pop("x-yredis-signature") and body,
            lambda headers, body: headers.update({"x-yredis-timestamp": "1700000000"}) or body,
            lambda headers, body: headers.update({"x-yredis-timestamp": "soon"}) or body,
            lambda headers, body: headers.update({"x-yredis-signature": "sha256=é"}) or body,
        ],
        ids=["another body", "no signature", "another time", "no time", "nonsense"],
    )
    async def test_it_refuses_what_was_not_signed(self, change, site):
        assert await answer(site, change) == 403
        assert site["kept"] == {}

    async def test_it_refuses_an_old_request_that_was_signed(self, site):
        site["time"] = type("Later", (), {"time": staticmethod(lambda: datetime.now(UTC).timestamp() + 600)})
        assert await answer(site) == 403


class TestSignals:
    def test_the_receiver_on_the_page_is_called(self, capsys):
        [example] = [example for example in examples("persistence.md") if "@receiver" in example]
        code: dict[str, Any] = {}
        exec(example, code)
        room_persisted.send(Room, room="essay", entries=2, bytes=30)
        room_persisted.disconnect(code["note"], sender=Room)
        assert capsys.readouterr().out == "essay: 2 entries, 30 bytes\n"

    def test_every_python_example_can_be_read(self):
        for example in examples("persistence.md"):
            compile(example, "docs/persistence.md", "exec")
