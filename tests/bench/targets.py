"""What the project sets itself, beside what one run has shown. Pure; a target is missed out loud."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

AT_LEAST: dict[str, float] = {
    "cpu.per_cpu_second.worker_to_bare": 0.75,
    "cpu.per_second.worker_to_best_python": 2.0,
    "rate.efficiency": 0.97,
    "latency.efficiency": 0.95,
    "fleet.efficiency": 0.90,
}
AT_MOST: dict[str, float] = {
    "cpu.rss_mb": 250.0,
    "rate.limited_share": 0.001,
    "fleet.limited_share": 0.02,
    "kill.lost": 0.0,
    "kill.doubled": 0.0,
    "fleet.lost": 0.0,
    "fleet.doubled": 0.0,
    "low.p99_seconds": 0.45,
}


@dataclass(frozen=True, slots=True)
class Target:
    """`value` is None where this run did not measure it."""

    name: str
    aim: str
    value: float | None
    met: bool | None

    @property
    def sentence(self) -> str:
        if self.value is None:
            return f"not measured: {self.name}, aimed at {self.aim}"
        return f"{'met' if self.met else 'MISSED'}: {self.name} is {self.value:.4g}, aimed at {self.aim}"


def judged(ratios: Mapping[str, float | None]) -> list[Target]:
    """Return every target with what was measured."""
    found = []
    for name, least in AT_LEAST.items():
        value = ratios.get(name)
        found.append(Target(name, f"{least:g} or more", value, None if value is None else value >= least))
    for name, most in AT_MOST.items():
        value = ratios.get(name)
        found.append(Target(name, f"{most:g} or less", value, None if value is None else value <= most))
    return found


def as_json(targets: list[Target]) -> list[dict[str, Any]]:
    return [{"name": t.name, "aim": t.aim, "value": t.value, "met": t.met} for t in targets]
