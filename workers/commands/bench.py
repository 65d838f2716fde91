"""`nanotriage bench`: what a configured route can do, and the batch size and concurrency to set."""

import asyncio
import math
import sys
import time
from collections.abc import Sequence
from ipaddress import ip_address
from itertools import cycle
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from yaml import safe_dump

from schemas.message import Message
from topics.codec import Codec
from topics.record import Partition, Record
from workers.asking.prompt import Prompt
from workers.asking.route import Route, open_route
from workers.commands.settings import (
    ConfigOption,
    JsonOption,
    KeyFileOption,
    ModelOption,
    ModelUrlOption,
    SetOption,
    flags_of,
)
from workers.commands.table import print_json, print_table
from workers.evaluating.figures import cost
from workers.evaluating.inputs import load_inputs
from workers.exits import Exit, UserError
from workers.measuring.fitting import most_that_fit
from workers.measuring.plan import Measure, most_calls
from workers.measuring.trial import RouteBarredError, Trial, run
from workers.setting_model import Price
from workers.setting_sections import Settings
from workers.settings import load_settings
from workers.taskfiles import LoadedTask, load_task
from workers.wiring.lines import reader_of
from workers.wiring.model import dialect_of, openai_model, room_of, secure_draw, wishes_of

_BYTES_PER_TOKEN = 4
_NO_ROOM = "that leaves no room for a message and its answer beside the task's prompt: take a model that takes more"
_OUTPUT_TOKENS = 30  # of an item, about
_HEADS = ("BATCH", "CALLS AT ONCE", "MESSAGES/S", "P50 S", "P95 S", "TOKENS/MESSAGE", "$/1,000", "ANSWERED", "FAILED CALLS")


def bench(
    task: Annotated[str, typer.Option(metavar="TASK", help="A shipped task's name, or the path of a task file.")],
    model_url: ModelUrlOption = None,
    model: ModelOption = None,
    api_key_file: KeyFileOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    most_items: Annotated[int, typer.Option("--batch", min=1, max=256, help="Largest batch that is tried.")] = 32,
    most_concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=256, help="Most calls at once.")] = 32,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Ask an endpoint that is not on this machine: it may cost money.")] = False,
    pod: Annotated[bool, typer.Option("--pod", help="Print only what the Helm chart's values take of it, as YAML.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask the task's sample at rising batch size and concurrency: messages a second, tokens, price, and what to set."""
    named = {"model.base_url": model_url, "model.name": model, "model.api_key_file": api_key_file}
    settings = load_settings(flags_of(assignments or [], named), config)
    loaded = load_task(task)
    messages = _sample(loaded)
    if not (yes or is_here(settings.model.base_url)):
        raise UserError(_bill(settings, loaded, messages, most_items, most_concurrency))
    # A run asks as many at once as it was told, whatever the settings say of the worker.
    wide = settings.model.model_copy(update={"concurrency": max(settings.model.concurrency, most_concurrency)})
    settings = settings.model_copy(update={"model": wide})
    measures, top = asyncio.run(_measure(settings, loaded, messages, (most_items, most_concurrency)))
    if top.read == 0:
        raise UserError(f"no answer could be used ({top.trouble}): `nanotriage doctor` tells what is wrong", Exit.MODEL)
    price = settings.model.price()
    if as_json:
        print_json({"points": [as_row(m, price) for m in measures], "best": as_row(top, price), "r_pod": r_pod(top)})
        return
    if pod:
        print(safe_dump(chart_values(top), sort_keys=False), end="")
        return
    print_table(_HEADS, [_cells(as_row(measure, price)) for measure in measures])
    print(f"\nBest: {top.per_second:,.1f} messages a second. Set batching.max_items to {top.point.batch} ", end="")
    print(f"and model.concurrency to {top.point.concurrency}.")
    if trouble := next((measure.trouble for measure in measures if not measure.sound), None):
        print(f"Some calls failed ({trouble}): that is the endpoint's limit for this account, or it is overloaded.")


def is_here(base_url: str) -> bool:
    """Tell whether the endpoint is on this machine, and so costs nothing."""
    host = urlsplit(base_url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def r_pod(top: Measure) -> float:
    """Return what one worker process does with the best setting, in messages a second, to two digits and rounded down."""
    whole = int(top.per_second)
    unit = 10 ** max(0, len(str(whole)) - 2)
    return float(whole // unit * unit) if whole >= 1 else round(top.per_second, 2)


def chart_values(top: Measure) -> dict[str, Any]:
    """Return the Helm chart's values for one worker with the best setting: how many the quota feeds follows from them."""
    scaling: dict[str, Any] = {"messagesPerSecondPerPod": r_pod(top)}
    if top.tokens_per_message is not None:
        scaling["tokensPerMessage"] = math.ceil(top.tokens_per_message)
    settings = {"batching": {"max_items": top.point.batch}, "model": {"concurrency": top.point.concurrency}}
    return {"settings": settings, "scaling": scaling}


def as_row(measure: Measure, price: Price | None) -> dict[str, Any]:
    """Return a measure for people and programs; what is unknown is null, never 0."""
    tokens = {"input": measure.tokens_in, "cached": measure.tokens_cached, "output": measure.tokens_out}
    dollars = cost(tokens, price)
    return {
        "batch": measure.point.batch,
        "concurrency": measure.point.concurrency,
        "messages_per_second": measure.per_second,
        "latency_p50_seconds": measure.latency(0.5),
        "latency_p95_seconds": measure.latency(0.95),
        "tokens_per_message": measure.tokens_per_message,
        "dollars_per_1000_messages": None if dollars is None or not measure.read else dollars * 1000 / measure.read,
        "answered_share": measure.read / measure.asked if measure.asked else None,
        "failed_calls": measure.failed_calls,
    }


def _cells(row: dict[str, Any]) -> list[str]:
    forms = ("d", "d", ",.1f", ".3f", ".3f", ",.0f", ".4f", ".1%", "d")
    return ["-" if value is None else format(value, form) for value, form in zip(row.values(), forms, strict=True)]


def _sample(loaded: LoadedTask) -> Sequence[Message]:
    if loaded.sample_path is None:
        raise UserError(f"task {loaded.task.name} has no sample.jsonl beside it: put a file with one record a line there")
    codec = Codec(loaded.task.source)
    place = Partition("sample", 0)
    records = [
        Record(place, number, each.key, each.value, (), 0)
        for number, each in enumerate(load_inputs(loaded.sample_path, loaded.task.source))
    ]
    messages = [message for record in records if isinstance(message := codec.decode(record), Message)]
    if not messages:
        raise UserError(
            f"no line of {loaded.sample_path} is a message of task {loaded.task.name}: correct the file or the task"
        )
    return messages


def _bill(settings: Settings, loaded: LoadedTask, messages: Sequence[Message], most_items: int, most_concurrency: int) -> str:
    """Return what the run would cost at most, as the sentence that asks for --yes."""
    static = Prompt(loaded.task, dialect_of(settings.model)).static_bytes
    calls, asked = most_calls(most_items, most_concurrency)
    text = sum(len(message.text.encode()) for message in messages) / len(messages)
    tokens_in = int((calls * static + asked * (text + 30)) / _BYTES_PER_TOKEN)
    price = settings.model.price()
    dollars = (
        "at an unknown price"
        if price is None
        else f"about {price.dollars(tokens_in, 0, asked * _OUTPUT_TOKENS):.2f} US dollars"
    )
    return (
        f"this makes up to {calls:,} calls about {asked:,} messages to {settings.model.base_url} "
        f"({tokens_in:,} tokens, {dollars}): add --yes, or lower --batch and --concurrency"
    )


async def _measure(
    settings: Settings, loaded: LoadedTask, messages: Sequence[Message], most: tuple[int, int]
) -> tuple[list[Measure], Measure]:
    model = openai_model(settings.model)
    try:
        route = await open_route(model, loaded.task, dialect_of(settings.model), wishes_of(settings.model), secure_draw)
        if not isinstance(route, Route):
            raise UserError(f"the model cannot be asked: {route.why}", Exit.MODEL)
        reader = reader_of(loaded.task, route.backend.signal)
        room = room_of(settings.model, await model.card(settings.model.name))
        items = most_that_fit(route.backend, room, messages, most[0])
        if items == 0:
            raise UserError(f"model {settings.model.name} {room}: {_NO_ROOM}")
        if items < most[0]:
            print(f"More than {items} messages a call do not fit into what the model takes.", file=sys.stderr)
        return await run(Trial(route, reader, cycle(messages), time.perf_counter), items, most[1], _say)
    except RouteBarredError as barred:
        raise UserError(f"the model refuses us: {barred}", Exit.MODEL) from None
    finally:
        await model.close()


def _say(measure: Measure) -> None:
    point = measure.point
    print(
        f"{point.batch} a call, {point.concurrency} at once: {measure.per_second:,.1f} messages a second",
        file=sys.stderr,
        flush=True,
    )
