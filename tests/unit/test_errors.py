"""The family of errors, and the close codes that clients see."""

import inspect
import re

import pytest

from rooms import errors
from rooms.errors import ClientError, CloseCode, YRedisError

FAMILY = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, YRedisError) and each is not YRedisError
]

DRAWN = dict(re.findall(r"[├└]── (\w+) +(\d{4})? ", errors.__doc__ or ""))
"""The tree on top of the module: name -> close code."""


def test_every_close_code_has_one_meaning():
    assert len(set(CloseCode)) == len(CloseCode.__members__)


@pytest.mark.parametrize("error", FAMILY)
def test_every_error_has_a_close_code(error):
    assert error.close_code in CloseCode


@pytest.mark.parametrize("error", FAMILY)
def test_every_error_says_what_it_means(error):
    assert error.__doc__


@pytest.mark.parametrize("error", FAMILY)
def test_the_tree_shows_every_error_with_its_code(error):
    assert DRAWN[error.__name__] in {"", str(int(error.close_code))}


def test_the_tree_shows_no_other_error():
    assert set(DRAWN) == {error.__name__ for error in FAMILY}


@pytest.mark.parametrize("name", ["MALFORMED", "IDENTITY", "NO_RIGHT", "NO_SUCH_ROOM", "DELETED", "TOO_BIG"])
def test_y_websocket_stops_for_good_where_coming_back_is_of_no_use(name):
    assert 4400 <= CloseCode[name] <= 4499


@pytest.mark.parametrize("name", ["INTERNAL_ERROR", "RESTARTING", "TRY_AGAIN_LATER", "RIGHTS_CHANGED", "TOO_MUCH"])
def test_y_websocket_comes_back_after_what_passes(name):
    assert not 4400 <= CloseCode[name] <= 4499


def test_every_code_is_of_one_of_these_kinds():
    assert len(CloseCode) == 11


@pytest.mark.parametrize("error", [error for error in FAMILY if not issubclass(error, ClientError)])
def test_what_is_not_the_clients_fault_never_stops_it_for_good(error):
    assert not 4400 <= error.close_code <= 4499
