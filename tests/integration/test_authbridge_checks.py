"""What is wrong with who may enter is told at start."""

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

SECRET = "a secret of at least thirty-two bytes"
GOOD = {
    "PERMISSION": "",
    "JWT_USER_FIELD": "username",
    "AUTHORIZE": "authbridge.authorizer.authorize",
    "JWT_KEYS": [{"alg": "HS256", "key": SECRET}],
    "JWT_ISSUER": "https://auth.example.com",
    "JWT_AUDIENCE": "rooms",
}


def found(settings: Any, **changes: Any) -> list[str]:
    """Return the ids of what the checks say of who may enter."""
    settings.YREDIS = {**settings.YREDIS, **GOOD, **changes}
    messages = run_checks(tags=["security"])
    assert not [message for message in messages if SECRET in f"{message.msg} {message.hint}"]
    return [str(message.id) for message in messages if str(message.id)[:9] in ("yredis.E2", "yredis.W2")]


def test_good_settings_are_good(settings: Any) -> None:
    assert found(settings) == []


CASES = [
    ({"IDENTITY": []}, "E201"),
    ({"IDENTITY": ["jwt", "cookie"]}, "E201"),
    ({"IDENTITY": ["jwt", "jwt"]}, "E201"),
    ({"IDENTITY": [7]}, "E201"),
    ({"JWT_KEYS": [{"alg": "HS256", "key": "weak"}]}, "E202"),
    ({"JWT_KEYS": [{"alg": "none", "key": SECRET}]}, "E202"),
    ({"JWT_KEYS": [{"alg": "ES256", "path": "/nowhere.pem"}]}, "E202"),
    ({"JWT_KEYS": [{"alg": "ES256", "path": None}]}, "E202"),
    ({"JWT_KEYS": [{"alg": "ES256", "path": ""}]}, "E202"),
    ({"JWT_KEYS": [{"alg": "HS256", "key": SECRET, "kid": ["k"]}]}, "E202"),
    ({"JWT_KEYS": [None]}, "E202"),
    ({"JWT_ISSUER": ""}, "E203"),
    ({"JWT_AUDIENCE": ""}, "E203"),
    ({"PERMISSION": "nowhere.policy"}, "E204"),
    ({"PERMISSION": "os.path.join"}, "E204"),
    ({"PERMISSION": "tests.support.access.no_answer", "PERMISSION_CALLBACK": "https://a.org"}, "E204"),
    ({"PERMISSION_CALLBACK": "http://a.org/perm"}, "E205"),
    ({"PERMISSION_CALLBACK": "ftp://a.org/perm"}, "E205"),
    ({"PERMISSION_CALLBACK": "https:///perm"}, "E205"),
    ({"PERMISSION_CALLBACK": "https://a.org/perm?x=1"}, "E205"),
    ({"PERMISSION_CALLBACK": "https://[::1"}, "E205"),
    ({"JWT_KEYS": [{"alg": "ES256", "url": "http://a.org/jwks"}]}, "E205"),
    ({"ORIGINS": ["example.com"]}, "E206"),
    ({"JWT_USER_FIELD": "nickname"}, "E207"),
    ({"JWT_USER_FIELD": "first_name"}, "E207"),
    ({"PERM_CALLERS": ["localhost"]}, "E208"),
    ({"PERM_CALLERS": [None]}, "E208"),
    ({"WEBSOCKET_URL": "https://example.com/ws"}, "E209"),
    ({"ORIGINS": ["*"]}, "W201"),
    ({"JWT_USER_FIELD": ""}, "W203"),
]


@pytest.mark.parametrize(("changes", "number"), CASES, ids=str)
def test_what_is_wrong_is_told(settings: Any, changes: dict[str, Any], number: str) -> None:
    assert found(settings, **changes) == [f"yredis.{number}"]


@pytest.mark.parametrize(
    "changes",
    [
        {"PERMISSION_CALLBACK": "https://a.org/perm"},
        {"PERMISSION_CALLBACK": "http://localhost:3000/perm"},
        {"JWT_USER_FIELD": "pk"},
        {"JWT_USER_FIELD": "", "PERMISSION": "tests.support.access.everybody_writes"},
        {"PERM_CALLERS": ["127.0.0.1", "10.0.0.1/8", "::1"], "WEBSOCKET_URL": "wss://rooms.example.com/ws"},
        {"JWT_USER_FIELD": "username"},
        {"ORIGINS": ["*"], "IDENTITY": ["jwt"]},
        {"ORIGINS": ["https://a.org", "https://*.b.org"]},
        {"JWT_KEYS": [], "JWT_ISSUER": "", "JWT_AUDIENCE": ""},
        {"AUTHORIZE": "rooms.grants.nobody", "IDENTITY": []},
    ],
    ids=str,
)
def test_what_is_right_is_not(settings: Any, changes: dict[str, Any]) -> None:
    assert found(settings, **changes) == []


def test_in_debug_a_callback_may_be_plain_http(settings: Any) -> None:
    settings.DEBUG = True
    assert found(settings, PERMISSION_CALLBACK="http://a.org/perm") == []


def test_a_secret_that_others_can_read_is_told(settings: Any, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(SECRET)
    path.chmod(0o644)
    keys = [{"alg": "HS256", "path": str(path)}]
    assert found(settings, JWT_KEYS=keys) == ["yredis.W202"]
    path.chmod(0o600)
    settings.YREDIS = {}
    assert found(settings, JWT_KEYS=list(keys)) == []
