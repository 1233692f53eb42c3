"""What a connection brings along, and whether its cookies count."""

from typing import Any

import pytest

from rooms import credentials


@pytest.fixture
def origins(settings: Any) -> Any:
    """Return a function that allows Origins."""

    def allow(allowed: list[str]) -> None:
        settings.YREDIS = {"ORIGINS": allowed}

    return allow


class TestCredentials:
    def scope(self, *subprotocols: str, query: bytes = b"") -> dict[str, Any]:
        """Return a connection's scope."""
        return {"subprotocols": list(subprotocols), "query_string": query, "headers": []}

    def test_the_token_is_in_a_subprotocol_or_in_the_query(self) -> None:
        assert credentials.token(self.scope("yredis", "yauth-abc.d")) == "abc.d"
        assert credentials.token(self.scope(query=b"x=1&yauth=abc%2Ed")) == "abc.d"
        assert credentials.token(self.scope("yauth-abc", query=b"yauth=other")) == "abc"

    def test_an_empty_one_is_one_too(self) -> None:
        assert credentials.token(self.scope("yauth-")) == ""
        assert credentials.token(self.scope(query=b"yauth=")) == ""

    def test_only_under_the_name_that_logs_are_scrubbed_of(self) -> None:
        assert credentials.token(self.scope(query=b"y%61uth=abc&xyauth=abc&YAUTH=abc&yauth")) is None

    def test_the_subprotocol_that_is_selected_is_never_a_token(self) -> None:
        assert credentials.chosen(["yauth-abc", "yredis", "other"]) == "yredis"
        assert credentials.chosen(["yauth-abc"]) is credentials.chosen([]) is None

    def test_there_may_be_none(self) -> None:
        assert credentials.token(self.scope("yredis", query=b"a=b&\xff")) is None


class TestOrigins:
    CASES = [
        ("https://example.com", "example.com", True),
        ("https://EXAMPLE.com", "example.com", True),
        ("https://example.com", "example.com:443", True),
        ("http://example.com", "example.com:80", True),
        ("http://localhost:8000", "localhost:8000", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://localhost:8000", "localhost:9000", False),
        ("https://example.com", "example.com:8443", False),
        ("https://evil.com", "example.com", False),
        ("https://example.com.evil.com", "example.com", False),
        ("https://evilexample.com", "example.com", False),
        ("null", "example.com", False),
        ("", "example.com", False),
        ("https://", "", False),
        ("https://user@example.com", "example.com", False),
        ("https://example.com/path", "example.com", False),
        ("https://example.com:x", "example.com:x", False),
        ("https://partner.org", "example.com", True),
        ("http://partner.org", "example.com", False),
        ("https://partner.org:444", "example.com", False),
        ("https://a.b.team.org", "example.com", True),
        ("https://team.org", "example.com", True),
        ("https://notteam.org", "example.com", False),
    ]

    @pytest.mark.parametrize(("origin", "host", "allowed"), CASES)
    def test_own_and_allowed_ones_only(self, origins: Any, origin: str, host: str, allowed: bool) -> None:
        origins(["https://partner.org", "https://*.team.org"])
        scope = {"headers": [(b"origin", origin.encode()), (b"host", host.encode())]}
        assert credentials.comes_from_here(scope) is allowed

    def test_none_and_two_are_refused(self, origins: Any) -> None:
        host, origin = (b"host", b"example.com"), (b"origin", b"https://example.com")
        assert not credentials.comes_from_here({"headers": [host]})
        assert not credentials.comes_from_here({"headers": [host, origin, origin]})

    def test_behind_a_proxy_it_is_the_host_that_the_proxy_tells_if_django_believes_it(self, settings: Any) -> None:
        told = [(b"host", b"10.0.0.1"), (b"x-forwarded-host", b"example.com"), (b"origin", b"https://example.com")]
        assert not credentials.comes_from_here({"headers": told})
        settings.USE_X_FORWARDED_HOST = True
        assert credentials.comes_from_here({"headers": told})

    @pytest.mark.parametrize(
        ("scheme", "known", "told", "allowed"),
        [
            ("ws", {}, b"", True),
            ("wss", {}, b"", False),
            ("ws", {"SESSION_COOKIE_SECURE": True}, b"", False),
            ("ws", {}, b"https", True),  # anybody could have written that
            ("ws", {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}, b"https", False),
            ("ws", {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}, b"https, http", False),
            ("ws", {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}, b"http", True),
            ("ws", {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}, b"", True),
        ],
    )
    def test_where_this_site_is_at_https_a_page_that_came_by_http_is_another(
        self, settings: Any, scheme: str, known: dict[str, Any], told: bytes, allowed: bool
    ) -> None:
        for name, value in known.items():
            setattr(settings, name, value)
        for page in (b"http", b"https"):
            sent = [(b"host", b"example.com"), (b"origin", page + b"://example.com"), (b"x-forwarded-proto", told)]
            scope = {"scheme": scheme, "headers": [header for header in sent if header[1]]}
            assert credentials.comes_from_here(scope) is (allowed or page == b"https")

    def test_an_asterisk_is_every_page_but_none_without_an_origin(self, origins: Any) -> None:
        origins(["*"])
        assert credentials.comes_from_here({"headers": [(b"origin", b"https://anywhere.org")]})
        assert not credentials.comes_from_here({"headers": [(b"origin", b"null")]})
        assert not credentials.comes_from_here({"headers": []})

    def test_what_is_no_origin_is_told(self, origins: Any) -> None:
        wrong = ["example.com", "https://example.com/", "*.example.com", "https://"]
        origins(["https://a.org", "https://*.b.org:444", "*", *wrong])
        assert list(credentials.wrong_origins()) == wrong


class TestAdmitted:
    """Browsers send cookies also where a page of another site connects."""

    HERE, ELSEWHERE = (b"origin", b"https://example.com"), (b"origin", b"https://evil.com")

    def scope(self, *origin: tuple[bytes, bytes], cookie: bytes = b"sessionid=k", query: bytes = b"") -> dict[str, Any]:
        """Return a connection's scope."""
        headers = [(b"host", b"example.com"), *origin, *([(b"cookie", cookie)] if cookie else [])]
        return {"headers": headers, "query_string": query, "subprotocols": []}

    def test_from_here_with_a_cookie(self) -> None:
        scope = self.scope(self.HERE)
        assert credentials.admitted(scope) == scope

    @pytest.mark.parametrize("origin", [[ELSEWHERE], [], [(b"origin", b"null")], [HERE, HERE]])
    def test_from_elsewhere_not_with_a_cookie_alone(self, origin: Any) -> None:
        assert credentials.admitted(self.scope(*origin)) is None

    @pytest.mark.parametrize("cookie", [b"", b"theme=dark", b"sessionid="])
    def test_from_elsewhere_without_a_session(self, cookie: bytes) -> None:
        scope = self.scope(self.ELSEWHERE, cookie=cookie)
        assert credentials.admitted(scope) == scope

    @pytest.mark.parametrize("origin", [[ELSEWHERE], [], [(b"origin", b"null")]])
    def test_from_elsewhere_with_a_token_the_cookies_are_not_seen(self, origin: Any) -> None:
        admitted = credentials.admitted(self.scope(*origin, query=b"yauth=token"))
        assert admitted
        assert credentials.session_key(admitted) is None
        assert credentials.token(admitted) == "token"

    def test_from_an_origin_that_is_allowed(self, origins: Any) -> None:
        origins(["https://evil.com"])
        scope = self.scope(self.ELSEWHERE)
        assert credentials.admitted(scope) == scope
