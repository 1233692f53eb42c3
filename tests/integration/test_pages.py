"""The demo site's pages, as any browser gets them."""

import json
import re
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from rooms.names import url_path
from yredis_project.views import edit, edit_url, raw_path


def connection_of(response: HttpResponse) -> dict[str, Any]:
    """Return what a page is told of its connection."""
    [found] = re.findall(r'<script id="yredis-connection" type="application/json">(.*?)</script>', response.text)
    return dict(json.loads(found))


class TestIndex:
    def test_it_links_to_the_example_rooms(self, client):
        page = client.get("/").content.decode()
        assert 'href="/edit/demo-notes"' in page
        assert 'href="/edit/demo-%C3%BCn%C3%AF/c%C3%B6d%C3%A9"' in page

    def test_every_link_of_it_leads_to_an_editor(self, client):
        links = re.findall(r'<a [^>]*href="([^"]+)"', client.get("/").content.decode())
        assert links
        assert {link.partition("/")[2].partition("/")[0] for link in links} == {"edit", "sign-in?next="}

    def test_it_allows_nothing_but_our_own_files_and_websocket(self, client):
        policy = client.get("/").headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "connect-src 'self' ws://testserver wss://testserver; script-src 'self'" in policy


class TestOpen:
    @pytest.mark.parametrize(
        ("typed", "url"),
        [
            ("notes", "/edit/demo-notes"),
            ("demo-notes", "/edit/demo-notes"),
            (" a b ", "/edit/demo-a%20b"),
            ("ünï/cödé", "/edit/demo-%C3%BCn%C3%AF/c%C3%B6d%C3%A9"),
            ("a%2Fb", "/edit/demo-a%2Fb"),
            ("50%", "/edit/demo-50%25"),
            ("//evil.example/", "/edit/demo-//evil.example/"),
        ],
    )
    def test_it_leads_to_the_editor_of_an_open_room(self, client, typed, url):
        assert client.get("/open", {"room": typed}).headers["Location"] == url

    def test_a_name_that_no_room_can_have_is_explained(self, client):
        answer = client.get("/open", {"room": "x" * 300})
        assert answer.status_code == 400
        assert "255 bytes" in answer.content.decode()


class TestEdit:
    def test_a_name_is_escaped_wherever_it_stands(self, client):
        page = client.get(edit_url('demo-"><script>alert(1)</script>')).content.decode()
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page

    def test_the_page_is_told_what_to_append_to_the_websocket_url(self, client):
        assert connection_of(client.get("/edit/demo-a%20b/ü"))["room"] == "demo-a%20b/%C3%BC"

    def test_an_encoded_slash_names_another_room_than_a_slash(self):
        request = RequestFactory().get("/edit/demo-a%2Fb")
        request.scope = {"raw_path": b"/edit/demo-a%2Fb"}
        assert connection_of(edit(request, "demo-a/b"))["room"] == "demo-a%2Fb"

    def test_a_name_that_no_room_can_have_is_not_found(self, client):
        assert client.get("/edit/" + "x" * 300).status_code == 404

    def test_each_page_has_a_nonce_of_its_own(self, client):
        pages = [client.get("/edit/demo-notes").headers["Content-Security-Policy"] for _ in range(2)]
        assert pages[0] != pages[1]


class TestUrlPath:
    @pytest.mark.parametrize(
        ("room", "path"),
        [("a b", "a%20b"), ("a/b", "a/b"), ("a%2Fb", "a%2Fb"), ("a%25b", "a%25b"), ("a?b#c", "a%3Fb%23c")],
    )
    def test_only_what_is_encoded_in_the_name_itself_stays_as_it_is(self, room, path):
        assert url_path(room) == path

    def test_without_asgi_the_path_is_encoded_again(self):
        assert raw_path(RequestFactory().get("/edit/a b")) == b"/edit/a%20b"
