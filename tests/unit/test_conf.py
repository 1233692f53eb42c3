"""settings.YREDIS: one dictionary, one reader, no surprises."""

from dataclasses import fields

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from rooms.conf import Conf, conf

OTHERS = {str: "other", int: 7, float: 0.25, tuple: ("other",)}
"""For each type a value that is no default."""

WRONG = [None, {}, b"bytes", object(), True]
"""Of a type that no setting has, but for the last."""

BY_NAME = {field.name.upper(): field for field in fields(Conf)}
NUMBERS = [name for name, field in BY_NAME.items() if field.type in (int, float)]
LIMITS = [name for name in NUMBERS if name.startswith("MAX_") and name not in {"MAX_FRAME_BYTES", "MAX_DELAY_SECONDS"}]
AT_ONCE = {"DEBOUNCE_SECONDS", "ACCESS_CACHE_SECONDS"}


@pytest.fixture(autouse=True)
def forgotten():
    """Whatever a test made of the settings is forgotten after it."""
    yield
    conf.cache_clear()


def given(**settings: object) -> Conf:
    """Return what `conf` makes of a dictionary."""
    with override_settings(YREDIS=settings):
        return conf()


class TestReading:
    """The dictionary over the defaults."""

    def test_without_a_dictionary_there_are_defaults(self, settings):
        del settings.YREDIS
        assert conf() == Conf()

    def test_an_empty_dictionary_gives_the_defaults(self):
        assert given() == Conf()

    @pytest.mark.parametrize("name", BY_NAME)
    def test_every_field_comes_from_its_key(self, name):
        field = BY_NAME[name]
        value = not field.default if field.type is bool else OTHERS[field.type]
        assert getattr(given(**{name: value}), field.name) == value != field.default

    @pytest.mark.parametrize("name", BY_NAME)
    def test_every_field_has_a_default_that_is_valid_and_is_explained(self, name):
        assert BY_NAME[name].default is not None
        assert given(**{name: BY_NAME[name].default}) == Conf()

    @pytest.mark.parametrize("name", [name for name in BY_NAME if BY_NAME[name].type is float])
    def test_whole_seconds_are_seconds(self, name):
        value = getattr(given(**{name: 3}), name.lower())
        assert (value, type(value)) == (3.0, float)

    def test_the_dictionary_is_read_once(self):
        assert conf() is conf()

    def test_overriding_the_setting_forgets_what_was_read(self):
        before = conf()
        with override_settings(YREDIS={"PREFIX": "other"}):
            assert conf().prefix == "other"
        assert conf() == before

    def test_overriding_another_setting_forgets_nothing(self):
        before = conf()
        with override_settings(DEBUG=True):
            assert conf() is before

    def test_what_was_read_cannot_be_changed(self):
        with pytest.raises(AttributeError):
            conf().prefix = "other"


class TestRefusing:
    """A mistake is told at start, by name."""

    @pytest.mark.parametrize("name", ["REDIS", "redis_url", "Shards", "MAX_SEATS", ""])
    def test_an_unknown_key_is_named(self, name):
        with pytest.raises(ImproperlyConfigured, match=f"unknown keys.*'{name}'"):
            given(**{name: 1})

    def test_all_unknown_keys_are_named_at_once(self):
        with pytest.raises(ImproperlyConfigured, match=r"\['BAR', 'FOO'\]"):
            given(FOO=1, BAR=2)

    @pytest.mark.parametrize(
        ("name", "value"),
        [(name, value) for name in BY_NAME for value in WRONG if type(value) is not BY_NAME[name].type],
    )
    def test_a_value_of_the_wrong_type_is_refused(self, name, value):
        with pytest.raises(ImproperlyConfigured, match=name):
            given(**{name: value})

    @pytest.mark.parametrize("name", NUMBERS)
    def test_digits_are_no_number(self, name):
        with pytest.raises(ImproperlyConfigured, match=name):
            given(**{name: "7"})

    @pytest.mark.parametrize("name", [name for name in NUMBERS if BY_NAME[name].type is int])
    def test_a_fraction_is_no_number_of_bytes_or_things(self, name):
        with pytest.raises(ImproperlyConfigured, match=name):
            given(**{name: 7.5})

    @pytest.mark.parametrize("name", NUMBERS)
    def test_nothing_is_below_0(self, name):
        with pytest.raises(ImproperlyConfigured, match=name):
            given(**{name: -1})

    @pytest.mark.parametrize("name", sorted(set(NUMBERS) - set(LIMITS) - AT_ONCE))
    def test_what_is_no_limit_is_above_0(self, name):
        with pytest.raises(ImproperlyConfigured, match=name):
            given(**{name: 0})

    @pytest.mark.parametrize("name", LIMITS)
    def test_0_is_no_limit(self, name):
        assert getattr(given(**{name: 0}), name.lower()) == 0

    @pytest.mark.parametrize("name", [name for name in NUMBERS if BY_NAME[name].type is float])
    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_seconds_are_finite(self, name, value):
        with pytest.raises(ImproperlyConfigured, match=name):
            given(**{name: value})

    @pytest.mark.parametrize(
        "prefix", ["", "a{b", "a}b", "a*", "a?", "[a]", "a^", "a\\b", "a b", "{tag}", "a\nb", "a\0b"]
    )
    def test_a_prefix_has_no_tag_glob_or_control_characters(self, prefix):
        with pytest.raises(ImproperlyConfigured, match="PREFIX"):
            given(PREFIX=prefix)

    @pytest.mark.parametrize("prefix", ["yredis", "my-site:prod", "ünï", "a.b_c"])
    def test_a_prefix_may_be_any_other_text(self, prefix):
        assert given(PREFIX=prefix).prefix == prefix

    @pytest.mark.parametrize("setting", [None, [], ["PREFIX"], "redis://localhost", {1: 2, "FOO": 3}])
    def test_what_is_no_dictionary_with_names_is_refused(self, setting):
        with override_settings(YREDIS=setting), pytest.raises(ImproperlyConfigured, match="YREDIS"):
            conf()
