"""Charts are harmless pictures: what is drawn is where it belongs, and texts say it too."""

import re
from xml.etree import ElementTree as ET

import pytest

from rooms.activity_charts import activity_charts
from rooms.charts import FLOOR, TOP, WIDTH, Chart, Point, line, sticks

SVG = "{http://www.w3.org/2000/svg}"


def chart(*points: Point, title: str = "connections", begins: float = 0.0, ends: float = 100.0) -> Chart:
    """Return a chart of a hundred seconds."""
    return Chart(title, points, begins, ends, ("before", "now"))


def paths(drawn: str) -> list[str]:
    """Return the lines, without the areas below them."""
    return [path.get("d", "") for path in ET.fromstring(drawn).iter(f"{SVG}path") if path.get("stroke")]


class TestLine:
    def test_the_greatest_is_at_the_top_and_nothing_at_the_floor(self):
        assert paths(line(chart((0, 0), (50, 7), (100, 14)), gap_seconds=60)) == [
            f"M0.0 {FLOOR}L{WIDTH / 2} {(TOP + FLOOR) / 2}L{WIDTH}.0 {TOP}"
        ]

    def test_what_is_not_known_is_not_joined(self):
        assert len(paths(line(chart((0, 1), (10, 1), (60, 1), (70, 1)), gap_seconds=20))) == 2

    def test_a_single_value_is_seen(self):
        assert paths(line(chart((50, 7)), gap_seconds=10)) == [f"M158.0 {TOP}L162.0 {TOP}"]

    def test_what_is_outside_the_time_is_not_drawn(self):
        drawn = line(chart((-5, 900), (10, 1), (20, 3), (105, 900)), gap_seconds=20)
        assert "from 1 to 3" in drawn
        assert "900" not in drawn

    def test_zero_all_the_time_is_a_line_at_the_floor(self):
        assert paths(line(chart((0, 0), (100, 0)), gap_seconds=200)) == [f"M0.0 {FLOOR}L{WIDTH}.0 {FLOOR}"]


class TestSticks:
    def test_each_is_as_high_as_its_value_and_stands_on_the_floor(self):
        drawn = ET.fromstring(sticks(chart((0, 2), (50, 4)), width_seconds=10))
        rects = [(float(one.get("y", 0)), float(one.get("height", 0))) for one in drawn.iter(f"{SVG}rect")]
        assert [y + height for y, height in rects] == [FLOOR, FLOOR]
        assert rects[1] == (TOP, FLOOR - TOP)


class TestTexts:
    @pytest.mark.parametrize("draw", [lambda one: line(one, gap_seconds=9), lambda one: sticks(one, width_seconds=9)])
    def test_the_title_tells_a_screen_reader_all_that_the_texts_say(self, draw):
        found = ET.fromstring(draw(chart((0, 3), (50, 20), (100, 12))))
        assert found.findtext(f"{SVG}title") == "connections: 12, from 3 to 20"
        assert [text.text for text in found.iter(f"{SVG}text")] == [
            "connections",
            "12",
            "before",
            "from 3 to 20",
            "now",
        ]

    def test_without_points_it_says_so(self):
        assert "nothing yet" in line(chart(), gap_seconds=9)

    def test_markup_in_a_title_is_text(self):
        assert "<script>" not in line(chart(title="<script>alert(1)</script>"), gap_seconds=9)

    def test_it_has_no_colour_of_its_own_and_no_style(self):
        drawn = line(chart((0, 1), (10, 1)), gap_seconds=20) + sticks(chart((0, 1)), width_seconds=9)
        assert set(re.findall(r'(?:fill|stroke)="([^"]+)"', drawn)) == {"currentColor", "none"}
        assert "style" not in drawn


class TestActivity:
    def test_a_room_has_a_chart_of_updates_and_one_of_bytes(self):
        drawn = activity_charts([[490_000, 3, 1024], [490_002, 5, 2048]])
        assert "<title>updates an hour: 5, from 3 to 5</title>" in drawn
        assert "<title>bytes persisted: 2.0\xa0KB, from 1.0\xa0KB to 2.0\xa0KB</title>" in drawn
        assert drawn.count("<svg") == 2

    @pytest.mark.parametrize("activity", [[], None, {}, [[1]]])
    def test_where_nothing_is_known_there_is_none(self, activity):
        assert activity_charts(activity) == "-"
