"""How the demo site reads its settings."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured

from yredis_project.env import admin_theme, kept_secret_key, yredis

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def env(monkeypatch):
    for name in list(os.environ):
        if name.startswith("YREDIS_"):
            monkeypatch.delenv(name)
    return environ.Env()


class TestYredis:
    def test_what_is_not_set_is_left_to_the_defaults(self, env):
        assert yredis(env, {"AUTHORIZE": "a.b"}) == {"AUTHORIZE": "a.b"}

    def test_what_is_set_wins_over_the_defaults(self, env, monkeypatch):
        monkeypatch.setenv("YREDIS_AUTHORIZE", "c.d")
        assert yredis(env, {"AUTHORIZE": "a.b"}) == {"AUTHORIZE": "c.d"}

    @pytest.mark.parametrize(
        ("name", "text", "value"),
        [
            ("REDIS_URL", "redis://cache:6380/1", "redis://cache:6380/1"),
            ("SHARDS", "4", 4),
            ("DEBOUNCE_SECONDS", "0.5", 0.5),
            ("MAX_DELAY_SECONDS", "60", 60.0),
        ],
    )
    def test_a_value_gets_the_type_of_its_field(self, env, monkeypatch, name, text, value):
        monkeypatch.setenv(f"YREDIS_{name}", text)
        read = yredis(env, {})[name]
        assert (read, type(read)) == (value, type(value))

    def test_text_where_a_number_belongs_is_refused(self, env, monkeypatch):
        monkeypatch.setenv("YREDIS_SHARDS", "many")
        with pytest.raises(ImproperlyConfigured, match="YREDIS_SHARDS must be int, not 'many'"):
            yredis(env, {})

    @pytest.mark.parametrize("text", ["", "nan", "inf", "three", "3 s", "1,5"])
    def test_what_is_no_finite_number_is_refused(self, env, monkeypatch, text):
        monkeypatch.setenv("YREDIS_HEARTBEAT_SECONDS", text)
        with pytest.raises(ImproperlyConfigured, match="YREDIS_HEARTBEAT_SECONDS must be float"):
            yredis(env, {})

    def test_a_variable_that_is_no_setting_is_refused_by_its_name_alone(self, env, monkeypatch):
        monkeypatch.setenv("YREDIS_NOPE", "s3cr3t")
        with pytest.raises(ImproperlyConfigured, match="YREDIS_NOPE") as refused:
            yredis(env, {})
        assert "s3cr3t" not in str(refused.value)

    @pytest.mark.parametrize("name", ["ACCEPT_LOG", "FAILPOINTS", "SEED", "TEST_STORE", "TRACES"])
    def test_what_tests_and_tools_read_is_let_through(self, env, monkeypatch, name):
        monkeypatch.setenv(f"YREDIS_{name}", "x")
        assert yredis(env, {}) == {}


class TestAdminTheme:
    @pytest.mark.parametrize(("theme", "apps"), [("unfold", ["unfold"]), ("plain", [])])
    def test_it_needs_its_own_apps(self, env, monkeypatch, theme, apps):
        monkeypatch.setenv("ADMIN_THEME", theme)
        assert admin_theme(env) == apps

    def test_it_is_unfold_if_nothing_else_is_asked_for(self, env, monkeypatch):
        monkeypatch.delenv("ADMIN_THEME")
        assert admin_theme(env) == ["unfold"]

    def test_one_that_is_not_known_is_refused(self, env, monkeypatch):
        monkeypatch.setenv("ADMIN_THEME", "grappelli")
        with pytest.raises(ImproperlyConfigured, match="ADMIN_THEME must be one of unfold, plain, not 'grappelli'"):
            admin_theme(env)


class TestManage:
    @pytest.mark.parametrize(("name", "text"), [("SHARDS", "abc"), ("HEARTBEAT_SECONDS", "nan"), ("NOPE", "1")])
    @pytest.mark.parametrize("command", ["check", "demo"])
    def test_it_says_in_one_line_which_variable_is_wrong(self, command, name, text):
        ended = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), command],
            env={**os.environ, f"YREDIS_{name}": text},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 1
        assert ended.stderr.count("\n") == 1
        assert f"YREDIS_{name}" in ended.stderr


class TestKeptSecretKey:
    def test_it_is_made_once(self, tmp_path):
        first = kept_secret_key(tmp_path / "folder" / "key")
        assert len(first) > 50
        assert kept_secret_key(tmp_path / "folder" / "key") == first

    def test_nobody_else_on_the_machine_can_read_it(self, tmp_path):
        kept_secret_key(tmp_path / "key")
        assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600

    def test_it_leaves_nothing_else_behind(self, tmp_path):
        kept_secret_key(tmp_path / "key")
        assert [path.name for path in tmp_path.iterdir()] == ["key"]
