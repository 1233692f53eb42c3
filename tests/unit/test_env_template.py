"""`.env.template` lists every variable that the settings read, with its true default, and no other."""

import ast
import json
import re
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest
from django.conf import settings

from rooms.conf import Conf

OF_THE_DEMO = {
    "authorize": "authbridge.authorizer.authorize",
    "permission": "yredis_project.access.by_name",
    "jwt_keys": ({"alg": "ES384", "path": ".data/token_key.pem"},),
    "jwt_issuer": "django-yredis-demo",
    "jwt_audience": "django-yredis-demo",
    "jwt_user_field": "pk",
    "store": "persistence.stores.database.DatabaseStore",
    "storage": "yredis",
}

ROOT = Path(__file__).resolve().parent.parent.parent
LISTED = dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", (ROOT / ".env.template").read_text(), re.MULTILINE))


def read_by_settings() -> set[str]:
    """Return the names in the calls `env.something("NAME", ...)` of settings.py and env.py."""
    code = [(ROOT / "yredis_project" / name).read_text() for name in ("settings.py", "env.py")]
    tree = ast.parse("\n".join(code))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.func.value, ast.Name)
        and call.func.value.id == "env"
        and isinstance(call.args[0], ast.Constant)
    }


def test_it_lists_every_variable_that_is_read_and_no_other():
    assert set(LISTED) == read_by_settings() | {f"YREDIS_{field.name.upper()}" for field in fields(Conf)}


@pytest.mark.parametrize("field", fields(Conf), ids=lambda field: field.name)
def test_it_shows_the_default_of_each_key(field):
    default = OF_THE_DEMO.get(field.name, field.default)
    shown = json.dumps(default) if isinstance(default, tuple) else str(default)
    assert LISTED[f"YREDIS_{field.name.upper()}"] == shown


def test_each_variable_is_explained():
    lines = (ROOT / ".env.template").read_text().splitlines()
    unexplained = [line for before, line in pairwise(lines) if re.match(r"#[A-Z0-9_]+=", line) and before[:2] != "# "]
    assert not unexplained


def test_there_is_a_value_for_every_key_that_the_environment_sets():
    assert set(settings.YREDIS) <= {field.name.upper() for field in fields(Conf)}
