"""frontend/src/token.js in Node with real sockets: when it renews a token, comes back, and stays away."""

from collections.abc import AsyncIterator

import pytest

from tests.support.pages import Entrance, Page, TokenDesk, answer, fresh, soon

SHORT_SECONDS = 1
"""How long a token lasts that is to be renewed during a test: after three quarters of that."""

AGAIN_SECONDS = 0.3


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A page that has not connected yet, and its servers; an error in it that nobody handles fails the test."""
    desk, entrance = TokenDesk(), Entrance()
    await desk.start()
    await entrance.start()
    page = await Page.start(desk, entrance)
    yield page
    await page.stop()
    await entrance.stop()
    await desk.stop()


async def is_away(page: Page) -> bool:
    """Tell whether a page has no socket and wants none, now that it has acted on all answers."""
    settled = await page.settled()
    return not settled["shouldConnect"] and not settled["hasSocket"]


class TestRenewal:
    async def test_a_fresh_token_goes_over_the_open_socket(self, page: Page) -> None:
        page.open("first", SHORT_SECONDS)
        await page.until("synced")
        page.desk.give(fresh("second", SHORT_SECONDS), fresh("third"))
        visit = await page.entrance.visit(1)
        await visit.gets("third")
        assert visit.fresh == ["second", "third"]
        assert page.entrance.tokens == ["first"]

    async def test_it_asks_for_the_room_as_the_site_wants_it(self, page: Page) -> None:
        page.open("first", SHORT_SECONDS)
        request = await page.desk.asked(1)
        assert (request.method, request.body) == ("POST", b"room=essay")
        assert request.headers["x-csrftoken"] == "a csrf token"

    async def test_a_page_out_of_a_cache_whose_token_is_over_gets_in(self, page: Page) -> None:
        page.entrance.over.add("first")
        page.desk.give(fresh("second"))
        page.open("first", 900)
        await page.until("synced")
        assert (page.entrance.tokens, page.ends) == (["first", "second"], [])

    async def test_a_token_that_ends_before_a_fresh_one_is_there_is_renewed(self, page: Page) -> None:
        page.open("first", SHORT_SECONDS, againSeconds=AGAIN_SECONDS)
        await page.until("synced")
        await page.desk.asked(1)
        await (await page.entrance.visit(1)).socket.close(4401)
        page.desk.give(answer(b"", 503), fresh("second"))
        await page.until("synced", 2)
        assert (page.entrance.tokens, page.ends) == (["first", "second"], [])

    async def test_a_fresh_token_that_comes_too_late_for_the_socket_opens_the_next_one(self, page: Page) -> None:
        page.open("first", SHORT_SECONDS)
        await page.until("synced")
        page.desk.give(fresh("second"), fresh("third"))
        visit = await page.entrance.visit(1)
        await visit.gets("second")
        await visit.socket.close(4401)
        await page.until("synced", 2)
        assert (page.entrance.tokens, page.ends) == (["first", "third"], [])

    async def test_a_page_that_was_let_in_since_comes_back_once_more(self, page: Page) -> None:
        page.open("0")
        for number in range(1, 4):
            await page.until("synced", number)
            page.desk.give(fresh(str(number)))
            await (await page.entrance.visit(number)).socket.close(4401)
        await page.until("synced", 4)
        assert (page.entrance.tokens, page.ends) == (["0", "1", "2", "3"], [])

    async def test_silence_is_no_goodbye(self, page: Page) -> None:
        page.open()
        await page.until("synced")
        page.do("fallSilent")
        await page.until("synced", 2)
        assert [one["code"] for one in page.seen("close")] == [None]
        assert page.entrance.tokens == ["first", "first"]

    async def test_a_timer_for_many_years_does_not_go_off_at_once(self, page: Page) -> None:
        page.open("first", SHORT_SECONDS)
        await page.until("synced")
        page.desk.give(fresh("second", 10**12))
        await (await page.entrance.visit(1)).gets("second")
        await page.settled()
        assert len(page.desk.requests) == 1


class TestEnd:
    async def test_a_fresh_token_that_is_refused_too_is_the_end(self, page: Page) -> None:
        page.entrance.over.update(["first", "second"])
        page.desk.give(fresh("second"))
        page.open()
        await page.until("closed")
        assert await is_away(page)
        assert (page.entrance.tokens, page.ends) == (["first", "second"], [4401])

    async def test_who_is_not_signed_in_any_more_stays_away(self, page: Page) -> None:
        page.open("first", SHORT_SECONDS)
        await page.until("synced")
        page.desk.give(answer(b"{}", 401))
        await page.desk.asked(1)
        assert (await page.settled())["hasSocket"], "as long as the server lets it"
        page.desk.give(answer(b"{}", 401))
        await (await page.entrance.visit(1)).socket.close(4401)
        await page.until("closed")
        assert await is_away(page)
        assert (page.entrance.tokens, page.ends) == (["first"], [4401])

    async def test_a_refusal_while_a_token_is_fetched_is_final(self, page: Page) -> None:
        page.open("first", SHORT_SECONDS)
        await page.desk.asked(1)
        await (await page.entrance.visit(1)).socket.close(4403)
        await page.until("closed")
        page.desk.give(fresh("second", SHORT_SECONDS))
        assert await is_away(page)
        assert (page.entrance.tokens, page.ends) == (["first"], [4403])

    async def test_no_timer_is_left_of_a_page_that_was_refused(self, page: Page) -> None:
        page.open()
        await page.until("synced")
        await (await page.entrance.visit(1)).socket.close(4403)
        await page.until("closed")
        page.do("rest")
        assert await page.left() == 0

    async def test_nobody_asks_again_after_a_refusal(self, page: Page) -> None:
        page.open("first", SHORT_SECONDS)
        await page.desk.asked(1)
        await (await page.entrance.visit(1)).socket.close(4403)
        await page.until("closed")
        page.do("rest")
        page.desk.give(answer(b"", 503))
        assert await page.left() == 0
        assert len(page.desk.requests) == 1


class TestDisconnect:
    async def test_a_page_that_disconnects_while_a_token_is_fetched_stays_away(self, page: Page) -> None:
        page.open("first", SHORT_SECONDS)
        await page.desk.asked(1)
        page.do("disconnect")
        await page.until("close")
        page.desk.give(fresh("second", SHORT_SECONDS))
        assert await is_away(page)
        assert page.entrance.tokens == ["first"]

    async def test_a_page_that_disconnects_while_it_waits_for_a_token_stays_away(self, page: Page) -> None:
        page.entrance.over.add("first")
        page.open()
        await page.desk.asked(1)
        page.do("disconnect")
        await page.settled()
        page.desk.give(fresh("second", SHORT_SECONDS))
        assert await is_away(page)
        assert (page.entrance.tokens, page.ends) == (["first"], [])

    async def test_a_page_that_disconnects_with_a_token_of_unknown_age_stays_away(self, page: Page) -> None:
        page.desk.give(fresh("second"))
        page.open()
        await page.until("synced")
        page.do("disconnect")
        assert await is_away(page)
        assert page.desk.requests == []

    async def test_no_timer_is_left_of_a_page_that_disconnects(self, page: Page) -> None:
        page.open()
        await page.until("synced")
        page.do("disconnect")
        page.do("rest")
        assert await page.left() == 0
        assert page.entrance.tokens == ["first"]

    async def test_a_page_that_is_not_to_connect_yet_does_not(self, page: Page) -> None:
        page.desk.give(fresh("second"))
        page.open("first", 0, connect=False)
        assert await is_away(page)
        page.do("connect")
        await (await page.entrance.visit(1)).gets("second")

    async def test_a_page_that_connects_again_has_its_token_renewed_as_before(self, page: Page) -> None:
        page.open()
        await page.until("synced")
        page.do("disconnect")
        page.do("connect")
        page.desk.give(fresh("second", SHORT_SECONDS), fresh("third"))
        await (await page.entrance.visit(2)).gets("third")
        assert page.entrance.tokens == ["first", "first"]

    async def test_a_page_that_connects_again_with_a_token_that_is_over_gets_in(self, page: Page) -> None:
        page.open()
        await page.until("synced")
        page.do("disconnect")
        await page.until("close")
        page.entrance.over.add("first")
        page.desk.give(fresh("second"))
        page.do("connect")
        await page.until("synced", 2)
        assert (page.entrance.tokens, page.ends) == (["first", "first", "second"], [])


class TestDestroy:
    """Nothing keeps the process alive but what the provider has left: that it ends shows that nothing is left."""

    @pytest.mark.parametrize("deed", ["destroy", "destroyDocument"])
    async def test_no_timer_is_left(self, page: Page, deed: str) -> None:
        page.open()
        await page.until("synced")
        page.do(deed)
        assert await page.left() == 0
        assert page.entrance.tokens == ["first"]

    @pytest.mark.parametrize("deed", ["destroy", "destroyDocument"])
    async def test_no_timer_is_left_where_the_server_is_away(self, page: Page, deed: str) -> None:
        page.open()
        await page.until("synced")
        await page.entrance.stop()
        await page.until("close")
        page.do(deed)
        assert await page.left() == 0

    @pytest.mark.parametrize("is_over", [False, True])
    async def test_a_token_that_comes_afterwards_opens_no_socket(self, page: Page, is_over: bool) -> None:
        page.entrance.over.update(["first"] if is_over else [])
        page.open("first", SHORT_SECONDS)
        await page.desk.asked(1)
        page.do("destroy")
        await page.settled()
        page.desk.give(fresh("second"))
        assert await page.left() == 0
        assert page.entrance.tokens == ["first"]


BAD_ANSWERS = {
    "a page": answer(b"<!doctype html><title>Sign in</title>"),
    "an error": answer(b"{}", 503),
    "null": answer(b"null"),
    "a list": answer(b"[]"),
    "half": answer(b'{"token": "second", "expi'),
    "no token": answer(b'{"expiresIn": 1}'),
    "an empty token": fresh("", 1),
    "no token but words": fresh("not a token", 1),
    "no time": answer(b'{"token": "second"}'),
    "null seconds": fresh("second", None),
    "0 seconds": fresh("second", 0),
    "-1 seconds": fresh("second", -1),
    "soon": fresh("second", "soon"),
    "a text": fresh("second", "1"),
    "many": fresh("second", [1]),
    "endless": answer(b'{"token": "second", "expiresIn": 1e999}'),
}


class TestBadAnswers:
    @pytest.mark.parametrize("bad", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
    async def test_what_is_no_token_is_a_failure_and_it_asks_again_later(self, page: Page, bad: bytes) -> None:
        page.open("first", SHORT_SECONDS, againSeconds=AGAIN_SECONDS)
        await page.until("synced")
        page.desk.give(bad, bad, fresh("third"))
        await (await page.entrance.visit(1)).gets("third")
        first, second, third = page.desk.asked_at
        assert min(second - first, third - second) > AGAIN_SECONDS * 0.8
        assert ((await page.entrance.visit(1)).fresh, page.entrance.tokens) == (["third"], ["first"])

    async def test_a_page_whose_token_is_over_waits_for_a_good_answer(self, page: Page) -> None:
        page.entrance.over.add("first")
        page.desk.give(*BAD_ANSWERS.values(), fresh("third"))
        page.open(againSeconds=0.02)
        await page.until("synced")
        assert page.entrance.tokens == ["first", "third"]

    async def test_a_site_that_is_away_is_asked_again(self, page: Page) -> None:
        await page.desk.stop()
        page.open("first", 0, againSeconds=AGAIN_SECONDS)
        await page.until("synced")
        await page.desk.start()
        page.desk.give(fresh("second"))
        await (await page.entrance.visit(1)).gets("second")
        await soon(lambda: len(page.desk.requests) == 1, "one question")
