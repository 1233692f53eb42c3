"""Small charts of one number over time, as SVG in a page: no script, no style, in the colour of the text around."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

Point = tuple[float, float]
"""A time in seconds since the epoch, and the value then."""

WIDTH, HEIGHT = 320, 110
TOP, FLOOR = 24.0, 90.0
"""Of the plot; above it are the title and the last value, below it the least, the greatest and the times."""

DASH = 2.0
"""Half of how wide a single value is."""

FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}" \
fill="currentColor" font-size="11" font-family="inherit"><title>{title}: {last}, {between}</title>\
<text x="0" y="12" font-weight="bold">{title}</text><text x="{width}" y="12" text-anchor="end">{last}</text>\
<line x1="0" y1="{floor}" x2="{width}" y2="{floor}" stroke="currentColor" stroke-opacity=".4"/>{shape}\
<g fill-opacity=".7" font-size="10"><text x="0" y="{below}">{begins}</text>\
<text x="{middle}" y="{below}" text-anchor="middle">{between}</text>\
<text x="{width}" y="{below}" text-anchor="end">{ends}</text></g></svg>"""


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn: the values from `begins` to `ends`, over 0. No value may be below that.

    Args:
        points: in the order of time.
        show: how a value is written.
        labels: what is written below the beginning and the end.
    """

    title: str
    points: Sequence[Point]
    begins: float
    ends: float
    labels: tuple[str, str]
    show: Callable[[float], str] = "{:g}".format

    @property
    def seen(self) -> list[Point]:
        """The points that are within the time shown."""
        return [point for point in self.points if self.begins <= point[0] <= self.ends]

    def places(self) -> list[Point]:
        """Return where the points are drawn, the greatest value at the top."""
        seen = self.seen
        greatest = max((value for _at, value in seen), default=0.0) or 1.0
        return [(self.x(at), round(FLOOR - (FLOOR - TOP) * value / greatest, 1)) for at, value in seen]

    def x(self, at: float) -> float:
        """Return where a time is."""
        return round(WIDTH * (at - self.begins) / max(self.ends - self.begins, 1e-9), 1)


def line(chart: Chart, *, gap_seconds: float) -> SafeString:
    """Draw what has a value at every time; points further apart than `gap_seconds` are not joined."""
    paths = [
        (path := "M" + "L".join(f"{x} {y}" for x, y in run), f"{path}L{run[-1][0]} {FLOOR}L{run[0][0]} {FLOOR}Z")
        for run in map(_wide, _runs(chart.places(), chart.x(chart.begins + gap_seconds)))
    ]
    shape = format_html_join(
        "",
        '<path d="{1}" fill="currentColor" fill-opacity=".12"/>'
        '<path d="{0}" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"/>',
        paths,
    )
    return _framed(chart, shape)


def sticks(chart: Chart, *, width_seconds: float) -> SafeString:
    """Draw what was counted: a point is the number of the `width_seconds` that begin then."""
    width = round(max(chart.x(chart.begins + width_seconds) - 0.5, 1.0), 1)
    shape = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}" fill="currentColor" fill-opacity=".7"/>',
        ((x, y, width, round(FLOOR - y, 1)) for x, y in chart.places()),
    )
    return _framed(chart, shape)


def _runs(places: Sequence[Point], gap: float) -> Iterator[list[Point]]:
    """Yield the places that are joined by a line."""
    run = list[Point]()
    for place in places:
        if run and place[0] - run[-1][0] > gap:
            yield run
            run = []
        run.append(place)
    if run:
        yield run


def _wide(run: list[Point]) -> list[Point]:
    """Return places that are seen: a single one becomes a dash."""
    if len(run) > 1:
        return run
    [(x, y)] = run
    return [(max(x - DASH, 0.0), y), (max(x - DASH, 0.0) + 2 * DASH, y)]


def _framed(chart: Chart, shape: SafeString) -> SafeString:
    """Return the whole picture; a screen reader is told what the texts in it say."""
    last, between = _said(chart)
    return format_html(
        FRAME,
        width=WIDTH,
        height=HEIGHT,
        middle=WIDTH // 2,
        floor=FLOOR,
        below=HEIGHT - 5,
        title=chart.title,
        last=last,
        between=between,
        begins=chart.labels[0],
        ends=chart.labels[1],
        shape=shape,
    )


def _said(chart: Chart) -> tuple[str, str]:
    """Return the last value, and between which all are."""
    values = [value for _at, value in chart.seen]
    if not values:
        return "-", _("nothing yet")
    least, greatest = chart.show(min(values)), chart.show(max(values))
    return chart.show(values[-1]), _("from %(least)s to %(greatest)s") % {"least": least, "greatest": greatest}
