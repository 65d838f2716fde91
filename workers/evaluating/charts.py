"""Charts as inline SVG: no script, no font, no file beside the page. Pure; numbers in, text out."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 460, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 44
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """Points from left to right; `css` names its stroke in the page's style."""

    points: Sequence[tuple[float, float]]
    css: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar at a place, with the interval that its height is known to."""

    at: str
    height: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Axes:
    """What is measured along both axes, each from 0 to its end."""

    across: str
    up: str
    across_end: float = 1.0
    up_end: float = 1.0


def line_chart(axes: Axes, lines: Sequence[Line]) -> str:
    """Return lines over common axes."""
    drawn = [
        f'<polyline class="{one.css}" points="{" ".join(f"{_x(axes, x):.1f},{_y(axes, y):.1f}" for x, y in one.points)}"/>'
        for one in lines
    ]
    across = [(_x(axes, axes.across_end * tick / _TICKS), f"{axes.across_end * tick / _TICKS:g}") for tick in range(_TICKS + 1)]
    return _chart(axes, across, drawn)


def bar_chart(axes: Axes, bars: Sequence[Bar]) -> str:
    """Return bars side by side, each with its interval as a whisker."""
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(bars))
    drawn, across = [], []
    for place, bar in enumerate(bars):
        middle = _LEFT + step * (place + 0.5)
        top, floor = _y(axes, bar.height), _y(axes, 0)
        drawn.append(
            f'<rect x="{middle - step * 0.35:.1f}" y="{top:.1f}" width="{step * 0.7:.1f}" height="{floor - top:.1f}"/>'
            f'<line class="whisker" x1="{middle:.1f}" x2="{middle:.1f}" y1="{_y(axes, bar.low):.1f}" '
            f'y2="{_y(axes, bar.high):.1f}"/>'
        )
        across.append((middle, bar.at))
    return _chart(axes, across, drawn)


def _chart(axes: Axes, across: Sequence[tuple[float, str]], drawn: Sequence[str]) -> str:
    floor, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    up = [(_y(axes, axes.up_end * tick / _TICKS), f"{axes.up_end * tick / _TICKS:g}") for tick in range(_TICKS + 1)]
    grid = [f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>' for y, _ in up]
    marks = [f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(said)}</text>' for y, said in up]
    marks += [f'<text x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{escape(said)}</text>' for x, said in across]
    middle = (_TOP + floor) / 2
    names = [
        f'<text x="{(_LEFT + right) / 2:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(axes.across)}</text>',
        f'<text x="12" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 12 {middle:.0f})">{escape(axes.up)}</text>',
    ]
    label = escape(f"{axes.up} by {axes.across}", quote=True)
    inside = "".join([*grid, *drawn, *marks, *names])
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{inside}</svg>'


def _x(axes: Axes, value: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * value / axes.across_end


def _y(axes: Axes, value: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * min(1.0, value / axes.up_end)
