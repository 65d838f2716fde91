"""What went through in a time, from the windows: a task's sums by tenant and model, and what its tenants cost. Pure."""

from collections.abc import Iterator

from workers.stateful.baselines import Series
from workers.stateful.comparing import Spending
from workers.stateful.windows import Window, Windows
from workers.summing import Row, added

Costs = dict[Series, dict[str, Spending]]


def sums_of(windows: Windows, task: str, start_ms: int, end_ms: int) -> dict[Series, Row]:
    """Return the sums of each tenant and model."""
    found: dict[Series, Row] = {}
    for window, sums in _between(windows, task, start_ms, end_ms):
        series = Series(task, window.tenant, window.model)
        found[series] = added(found[series], sums) if series in found else sums
    return found


def costs_of(windows: Windows, task: str, start_ms: int, end_ms: int) -> Costs:
    """Return what one look of each tenant cost, in dollars where the model has a price, else in tokens."""
    totals: dict[tuple[Series, str], tuple[float, int]] = {}
    for window, sums in _between(windows, task, start_ms, end_ms):
        dollars = windows.dollars(window.model, sums)
        unit, cost = ("dollars", dollars) if dollars is not None else ("tokens", _tokens(sums))
        place = Series(task, window.tenant, None), unit
        before, messages = totals.get(place, (0.0, 0))
        totals[place] = before + cost, messages + sums["messages"]
    found: Costs = {}
    for (series, unit), (cost, messages) in totals.items():
        found.setdefault(series, {})[unit] = Spending(1, cost, cost * cost, messages)
    return found


def costs_of_looks(windows: Windows, task: str, looks: range) -> Costs:
    """Return what looks of this length cost together; one in which a tenant cost nothing counts too."""
    each = [costs_of(windows, task, at, at + looks.step) for at in looks]
    places = {(series, unit) for costs in each for series, units in costs.items() for unit in units}
    found: Costs = {}
    for series, unit in places:
        total = Spending()
        for costs in each:
            total = total.plus(costs.get(series, {}).get(unit, Spending(1)))
        found.setdefault(series, {})[unit] = total
    return found


def _tokens(sums: Row) -> float:
    return float(sums["tokens"].get("input", 0.0) + sums["tokens"].get("output", 0.0))


def _between(windows: Windows, task: str, start_ms: int, end_ms: int) -> Iterator[tuple[Window, Row]]:
    rows = windows.rows.items()
    return ((window, sums) for window, sums in rows if window.task == task and start_ms <= window.start_ms < end_ms)
