"""Results as a table and as ratios within one run. Pure; nothing but ratios can be compared between machines."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.bench.roster import PYTHON, ROSTER, SUBJECTS, WORKER

Result = Mapping[str, Any]
Column = tuple[str, Callable[[Result], str]]


def _number(name: str, form: str = ",.0f", factor: float = 1.0) -> Callable[[Result], str]:
    return lambda result: "-" if result.get(name) is None else format(result[name] * factor, form)


_PEER: Column = ("peer", lambda result: ROSTER[result["peer"]].title)
_RATE: Column = ("messages/s", _number("per_second"))
_RSS: Column = ("MB", _number("rss_mb"))
_DOUBLED: Column = ("doubled", _number("doubled"))
_PROMISE: Column = ("promise", lambda result: ROSTER[result["peer"]].promise)
COLUMNS: dict[str, tuple[Column, ...]] = {
    "cpu": (
        _PEER,
        _RATE,
        ("per CPU second", _number("per_cpu_second")),
        ("cores", _number("cores", ".2f")),
        ("messages a call", _number("items_per_call", ".1f")),
        _RSS,
        _PROMISE,
        _DOUBLED,
    ),
    "latency": (
        _PEER,
        _RATE,
        ("of R*", _number("efficiency", ".3f")),
        ("messages a call", _number("items_per_call", ".1f")),
        _RSS,
    ),
    "rate": (
        _PEER,
        _RATE,
        ("of R*", _number("efficiency", ".3f")),
        ("429s, % of calls", _number("limited_share", ".2f", 100)),
        ("messages a call", _number("items_per_call", ".1f")),
        ("tokens a message", _number("tokens_per_message")),
    ),
    "kill": (
        _PEER,
        ("killed at", _number("killed_at")),
        _PROMISE,
        ("lost", _number("lost")),
        _DOUBLED,
        ("asked again", _number("reasked")),
    ),
    "fleet": (
        _PEER,
        _RATE,
        ("of R*", _number("efficiency", ".3f")),
        ("429s, % of calls", _number("limited_share", ".2f", 100)),
        ("lost", _number("lost")),
        _DOUBLED,
    ),
    "low": (_PEER, ("p50 ms", _number("latency_p50", factor=1000)), ("p99 ms", _number("latency_p99", factor=1000))),
}


def table(regime: str, results: Sequence[Result]) -> list[list[str]]:
    """Return heads and one row per result, in the order they came, with what went wrong in the last column."""
    columns = COLUMNS[regime]
    mine = [result for result in results if result["regime"] == regime]
    heads = [name for name, _ in columns]
    return [[*heads, ""], *([*(show(result) for _, show in columns), result.get("why") or ""] for result in mine)]


def markdown(regime: str, says: str, results: Sequence[Result]) -> str:
    heads, *rows = table(regime, results)
    lines = [f"### {regime}: {says}", "", _line(heads), _line(["---"] * len(heads)), *map(_line, rows)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def ratios(results: Sequence[Result]) -> dict[str, float | None]:
    """Return what the project promises, named as it is promised; only what was measured is there."""
    found: dict[str, float | None] = {
        "cpu.per_cpu_second.worker_to_bare": _ratio(results, "cpu", "per_cpu_second", "bare"),
        "cpu.rss_mb": _middle(results, "cpu", WORKER, "rss_mb"),
        "rate.efficiency": _middle(results, "rate", WORKER, "efficiency"),
        "rate.limited_share": _middle(results, "rate", WORKER, "limited_share"),
        "latency.efficiency": _middle(results, "latency", WORKER, "efficiency"),
        "kill.lost": _middle(results, "kill", WORKER, "lost"),
        "kill.doubled": _middle(results, "kill", WORKER, "doubled"),
        "fleet.efficiency": _middle(results, "fleet", WORKER, "efficiency"),
        "fleet.limited_share": _middle(results, "fleet", WORKER, "limited_share"),
        "fleet.lost": _middle(results, "fleet", WORKER, "lost"),
        "fleet.doubled": _middle(results, "fleet", WORKER, "doubled"),
        "low.p99_seconds": _middle(results, "low", WORKER, "latency_p99"),
    }
    for regime in ("cpu", "latency", "rate"):
        for peer in ROSTER:
            if peer not in SUBJECTS:
                found[f"{regime}.per_second.worker_to_{peer}"] = _ratio(results, regime, "per_second", peer)
    beside = [ratio for peer in PYTHON if (ratio := found.get(f"cpu.per_second.worker_to_{peer}")) is not None]
    found["cpu.per_second.worker_to_best_python"] = min(beside, default=None)
    return {name: round(value, 4) for name, value in found.items() if value is not None}


def _middle(results: Sequence[Result], regime: str, peer: str, name: str) -> float | None:
    values = [r[name] for r in results if r["regime"] == regime and r["peer"] == peer and r.get(name) is not None]
    return statistics.median(values) if values else None


def _ratio(results: Sequence[Result], regime: str, name: str, peer: str) -> float | None:
    mine, other = _middle(results, regime, WORKER, name), _middle(results, regime, peer, name)
    return mine / other if mine is not None and other else None
