"""What a chaos run says at its end: a table for people, a JSON file for machines."""

import statistics
from collections import Counter
from dataclasses import asdict, replace
from typing import Any

from tests.chaos.run import RECOVERY_SECONDS, Outcome, seconds_or_never
from tests.chaos.schedule import BROKER_WIRES, MODEL_WIRES

INVARIANTS = {
    "I1 one terminal event per input": ("lost", "doubled", "alien"),
    "I2 no event id twice": ("repeated_ids",),
    "I3 nothing from an aborted transaction": ("aborted", "hidden"),
    "I4 committed is what was published": ("uncommitted", "overcommitted"),
    "I5 commits never regress": ("regressed",),
    "I6 key order": ("misordered",),
    "I7 two readers agree": ("disagreed",),
    "   events speak of their inputs": ("mismatched",),
}


def table(outcome: Outcome) -> str:
    """Return the lines to print."""
    verdict = outcome.verdict
    lines = [
        f"{outcome.plan.messages:,} messages in {outcome.seconds:.0f} s, seed {outcome.plan.seed}: {verdict.inputs:,} inputs, "
    ]
    lines[0] += f"{verdict.events:,} events, {outcome.aborted_records:,} aborted records, {outcome.commits:,} commits"
    counts = Counter(fault.kind for fault in outcome.applied)
    lines += ["", f"{len(outcome.applied)} faults", *[f"  {count:4}  {kind}" for kind, count in sorted(counts.items())]]
    lines += [f"  {len((*BROKER_WIRES, *MODEL_WIRES))} kinds skipped: {outcome.skipped}"] if outcome.skipped else []
    lines.append("")
    slowest = sorted(zip(outcome.applied, outcome.recoveries, strict=True), key=lambda pair: -(pair[1] or 1e9))[:3]
    lines += [f"slowest: {seconds_or_never(s)} after {f.kind} ({f.whom}, {f.began:.0f} to {f.ended:.0f} s)" for f, s in slowest]
    lines.append(f"asked again after an answer: {outcome.reasked:,} items, at most {outcome.reasked_most:,}")
    lines.append(
        f"back at full rate, seconds after a fault: {_times(outcome)}; longest standstill {outcome.standstill_seconds:.1f} s"
    )
    lines.append("")
    for name, parts in INVARIANTS.items():
        count = sum(getattr(verdict, part).count for part in parts)
        lines.append(f"  {'kept  ' if count == 0 else 'BROKEN'}  {name}{f': {count}' if count else ''}")
    kept = outcome.reasked <= outcome.reasked_most
    lines.append(f"  {'kept  ' if kept else 'BROKEN'}  I8 asked again within the bound")
    kept = outcome.last_recovery is not None and outcome.last_recovery <= RECOVERY_SECONDS
    lines.append(
        f"  {'kept  ' if kept else 'BROKEN'}  I9 full rate within {RECOVERY_SECONDS:g} s of the last fault: {seconds_or_never(outcome.last_recovery)}"
    )
    return "\n".join([*lines, "", *[f"finding: {complaint}" for complaint in outcome.complaints]]).rstrip()


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the whole outcome as JSON's types."""
    plain = asdict(replace(outcome, plan=replace(outcome.plan, lanes=()), verdict=replace(outcome.verdict, by_topic={})))
    plain["plan"] = {"seconds": outcome.plan.seconds, "messages": outcome.plan.messages, "seed": outcome.plan.seed}
    plain["verdict"]["by_topic"] = dict(outcome.verdict.by_topic)
    counts = Counter(str(fault.kind) for fault in outcome.applied)
    return {**plain, "faults": dict(counts), "complaints": outcome.complaints, "kept": not outcome.complaints}


def _times(outcome: Outcome) -> str:
    known = [seconds for seconds in outcome.recoveries if seconds is not None]
    if not known:
        return "none"
    missing = len(outcome.recoveries) - len(known)
    return f"p50 {statistics.median(known):.1f}, max {max(known):.1f}" + (f", {missing} never" if missing else "")
