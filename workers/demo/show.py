"""What the demonstration prints: progress while it runs, then the figures. Texts are printed as data, never as markup."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.events import EventKind
from workers.demo.figures import REFERENCE_MODEL
from workers.demo.tally import Seen, Sent, Tally
from workers.evaluating.report import percent

_TEXT_CHARS = 72


def progress_table(tally: Tally, seconds: float) -> Table:
    """Return where every task is. `seconds` is since the worker was started."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("task")
    for head in ("sent", "done", "labelled", "escalated", "dead", "messages/s"):
        table.add_column(head, justify="right")
    for task, sent in tally.sent_by_task().items():
        counts = tally.counts[task]
        cells = [sent, counts.total(), *(counts[kind] for kind in EventKind)]
        table.add_row(task, *(f"{cell:,}" for cell in cells), f"{counts.total() / seconds:,.0f}" if seconds else "")
    return table


def progress_line(tally: Tally, seconds: float) -> str:
    """Return the same in one line, for where nothing can be drawn over."""
    parts = [f"{task} {tally.counts[task].total():,}/{sent:,}" for task, sent in tally.sent_by_task().items()]
    return f"{seconds:5.1f} s  {', '.join(parts)}"


def show_figures(console: Console, figures: Mapping[str, Any]) -> None:
    tasks = figures["tasks"]
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("task")
    heads = ("records", "labelled", "escalated", "dead", "right of labelled", "right of answered", "messages/s", "p50", "p99")
    for head in heads:
        table.add_column(head, justify="right")
    for name, one in {**tasks, "all": figures["totals"]}.items():
        counts = [f"{one[key]:,}" for key in ("records", "labelled", "escalated", "dead")]
        accuracy = one.get("accuracy")
        shares = ["", ""] if accuracy is None else [percent(accuracy["labelled"]), percent(accuracy["answered"])]
        latency = one["latency_seconds"]
        table.add_row(
            name, *counts, *shares, _number(one["messages_per_second"]), _seconds(latency["p50"]), _seconds(latency["p99"])
        )
    console.print(table)
    for name, one in tasks.items():
        for kind in ("escalations", "dead"):
            reasons = one[f"{kind}_by_reason"]
            if reasons:
                said = ", ".join(f"{reason} {count:,}" for reason, count in reasons.items())
                console.print(f"{name}: {'escalated' if kind == 'escalations' else 'dead'} because of {said}", markup=False)
    console.print()
    for line in _sentences(figures):
        console.print(Text(line))


def show_examples(console: Console, shown: Sequence[tuple[Sent, Seen]]) -> None:
    for kind in EventKind:
        pairs = [(sent, seen) for sent, seen in shown if seen.event.kind is kind]
        if pairs:
            console.print(Text(f"\n{kind.value}, as read from the topic:"))
        for sent, seen in pairs:
            console.print(Text(f"  {seen.record.topic}  {_told(sent, seen)}"), soft_wrap=True)


def _told(sent: Sent, seen: Seen) -> str:
    headers = dict(seen.record.headers)
    if seen.event.kind is EventKind.DEAD:
        detail = headers.get("nt_detail", b"").decode("utf-8", "replace")
        return f"{_short(repr(seen.record.value))}  reason {seen.event.reason}: {detail}"
    value = orjson.loads(seen.record.value or b"{}")
    fields = {name: _field(field) for name, field in value["fields"].items() if field["value"] is not None}
    said = f"{value['message']['id']}  {_short(_text_of(sent))}  {_printable(str(fields))}"
    if seen.event.kind is EventKind.ESCALATED:
        reasons = [" ".join(filter(None, (r["reason"], r["field"], r["detail"]))) for r in value["reasons"]]
        said += f"  because {'; '.join(reasons)}"
    return said


def _field(field: Mapping[str, Any]) -> Any:
    return field["value"] if field["confidence"] is None else f"{field['value']} ({field['confidence']:.2f})"


def _text_of(sent: Sent) -> str:
    """Return the longest text of the input: a labelled event does not repeat its message."""
    try:
        body = orjson.loads(sent.input.value or b"")
    except orjson.JSONDecodeError:
        body = (sent.input.value or b"").decode("utf-8", "replace")
    texts = [part for part in body.values() if isinstance(part, str)] if isinstance(body, dict) else [str(body)]
    return repr(max(texts, key=len, default=""))


def _sentences(figures: Mapping[str, Any]) -> list[str]:
    once, total, model = figures["exactly_once"], figures["totals"], figures["model"]
    verdict = "HOLDS" if once["holds"] else "IS BROKEN"
    wrong = f"{once['lost']} lost, {once['doubled']} doubled, {once['alien']} alien"
    lines = [f"Exactly once {verdict}: {once['records']:,} inputs, {once['events']:,} events; {wrong}."]
    if not once["read_to_the_end"]:
        lines.append("The output topics could not be read to their end, so this is not proven.")
    bad = ", ".join(figures["bad_records"])
    lines.append(f"{len(figures['bad_records'])} inputs were made bad on purpose, to show dead letters: {bad}.")
    lines.append("Right: equal to the gold label of the task's first label field; gold files were opened after the run.")
    lines.append("A promise instead of thresholds: `nanotriage calibrate --task banking_support --local --error 0.1`.")
    lines.append(f"p50 and p99: {total['latency_seconds']['means']}.")
    lines += _model_sentences(model, total)
    lines.append("Time: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in figures["seconds"].items()) + ".")
    return lines


def _model_sentences(model: Mapping[str, Any], total: Mapping[str, Any]) -> list[str]:
    tokens = total["tokens"]
    used = "no token count" if tokens is None else f"{tokens['input']:,} tokens in, {tokens['output']:,} out"
    lines = [f"Model {model['name']} at {model['base_url']}: {total['calls']:,} calls, {used}."]
    if total["dollars"] is not None:
        return [*lines, f"Cost at the configured prices: {total['dollars']:.4f} US dollars."]
    reference = total[f"dollars_at_rates_of_{REFERENCE_MODEL}"]
    if reference is None:
        return [*lines, "Cost: unknown; [model.prices] of the settings has no price of this model."]
    whose = "The local model has no price" if model["local"] else "The price of this model is unknown"
    said = f"{whose}; at the rates of {REFERENCE_MODEL} these tokens would cost {reference:.4f} US dollars"
    return [*lines, f"{said} (another model counts tokens a little differently)."]


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.0f}"


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} s"


def _short(text: str) -> str:
    text = _printable(text)
    return text if len(text) <= _TEXT_CHARS else f"{text[:_TEXT_CHARS]}..."


def _printable(text: str) -> str:
    """Return the text without what could move a terminal's cursor."""
    return "".join(char if char.isprintable() else "?" for char in text)
