"""Wiring of the lines: a task and a route become the stages between two topics."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from schemas.calibration import Bound, Calibration
from schemas.reply import code_books
from schemas.task import Task
from schemas.verdict import SignalKind
from topics.codec import Codec
from topics.source import Source
from workers.asking.agreement import permuted
from workers.asking.route import Route
from workers.batching.feeder import Feeder
from workers.batching.room import ENDLESS, Room, within
from workers.batching.sizing import Allowed, Sizing
from workers.batching.slots import Slots
from workers.batching.tokens import TokenCost
from workers.batching.window import Limits, Place, Window
from workers.brake import Brake, BrakeLimits
from workers.calibrationfiles import refuse_other
from workers.calls import Calls
from workers.clocks import Clocks
from workers.exits import UserError
from workers.guarding.firewall import PLACES, Firewall
from workers.guarding.sampling import Sampling
from workers.guarding.trust import Trust
from workers.judging.agreeing import AgreementReader
from workers.judging.answers import AnswerReader, DecidedReader, WrittenReader
from workers.judging.confidence import Scorer
from workers.judging.reading import Reader
from workers.judging.verdicts import Judge, UserCode
from workers.limiting.limiter import Limiter
from workers.line import Entry, Gate, Invariance, Line
from workers.patience import Patience
from workers.pipeline import Pipeline
from workers.probing.marks import Marks
from workers.promising.binding import Hashes, bound_of
from workers.routing import Router
from workers.setting_model import ModelSettings
from workers.setting_sections import Settings
from workers.taskfiles import LoadedTask
from workers.watch import Watch
from workers.wiring.model import build_limiter, room_of
from workers.wiring.promises import build_auditing

_MOST_PUT_ASIDE = 32


@dataclass(frozen=True, slots=True)
class Shared:
    """What the tasks of a worker share, because they ask the same model on the same account."""

    limiter: Limiter
    slots: Slots
    room: Room = ENDLESS


def build_slots(settings: Settings, tasks: Sequence[Task]) -> Slots:
    """Return the calls that the tasks may make at once, shared by their weights."""
    return Slots(settings.model.concurrency, {task.name: task.weight for task in tasks})


def place_of(task: Task) -> Callable[[Entry], Place]:
    """Return where a message of the task waits: tenants take turns, or else partitions; some tasks keep tenants apart."""
    if task.source.tenant is None:
        return lambda entry: (None, entry.receipt.partition.number, entry.message.priority)
    if task.separate_tenants:
        return lambda entry: (entry.message.tenant, None, entry.message.priority)
    return lambda entry: (None, entry.message.tenant, entry.message.priority)


def allowed_by(limiter: Limiter) -> Allowed:
    """Return the account's limits in the words of batching."""
    known = limiter.known()
    return Allowed(known.requests_per_minute, known.tokens_per_minute)


def bound_by(loaded: LoadedTask, route: Route, settings: Settings) -> Bound:
    """Return what a calibration must be of for this task on this route. Raises ValueError for a task without a promise."""
    backend = route.backend
    hashes = Hashes(backend.prompt_hash, backend.schema_hash, loaded.code)
    model = asked_model(settings.model, backend.signal)
    return bound_of(loaded.task, backend.signal, model, hashes, settings.batching.max_items)


def asked_model(model: ModelSettings, signal: SignalKind) -> str:
    """Return the names of the models that the settings ask where labels carry this signal."""
    others = {SignalKind.DISTRIBUTION: model.decisions_name}.get(signal)
    return " + ".join(dict.fromkeys((model.name, others or model.name)))


def build_line(
    loaded: LoadedTask,
    route: Route,
    settings: Settings,
    stream: str,
    clock: Callable[[], float] = time.monotonic,
    shared: Shared | None = None,
    calibration: Calibration | None = None,
) -> Line:
    """Return the stages of one task. Without `shared` it shares the model with no other.

    Raises UserError for a calibration that is of something else, and for a prompt that leaves no room.
    """
    if calibration is not None:
        refuse_other(calibration, bound_by(loaded, route, settings), loaded)
    task, batching = loaded.task, settings.batching
    shared = shared or Shared(build_limiter(settings, clock), build_slots(settings, [task]), room_of(settings.model))
    limiter = shared.limiter
    cost = TokenCost(route.backend.overhead(1).static_bytes)
    limits = limits_of(task, route, settings, shared.room, cost)
    invariance = build_invariance(settings, limits.max_items)
    shareable = shareable_by(limits.max_items, invariance)
    firewall = build_firewall(settings, task, route, shareable)
    canaries = PLACES if firewall is not None and settings.guard.firewall == "always" else 0
    sizing = Sizing(limits, cost, lambda: allowed_by(limiter), lambda: shareable() - canaries)
    calls = Calls(route, cost, limiter, clock, shared.room)
    feeder = Feeder(
        task.name,
        Window[Entry](sizing.limits(), place_of(task)),
        shared.slots,
        max_waiting=batching.max_waiting,
        clock=clock,
        opens_in=calls.opens_in,
    )
    return Line(
        task=task,
        codec=Codec(task.source),
        sizing=sizing,
        feeder=feeder,
        route=route,
        calls=calls,
        patience=Patience(most_seconds=settings.limits.most_seconds),
        reader=reader_of(task, route.backend.signal, settings.model.votes),
        judge=Judge(task, UserCode(loaded.reply_model, loaded.functions), calibration),
        repair=settings.model.repair,
        router=Router(task, stream, marks_of(settings)),
        gate=Gate(),
        brake=Brake(BrakeLimits(settings.brake.dead_run, settings.brake.dead_share, settings.brake.window)),
        firewall=firewall,
        invariance=invariance,
        auditing=build_auditing(task, settings, calibration),
        summed=settings.delivery.summary_topic is not None,
    )


def marks_of(settings: Settings) -> Marks | None:
    """Return what tells probes from messages, None without a key."""
    key = settings.probe.mark_key
    return None if key is None else Marks(key.get_secret_value().encode())


def build_invariance(settings: Settings, most_items: int) -> Invariance | None:
    """Return what finds out whether labels depend on the company; None where there is no company, or nobody wants to know."""
    guard = settings.guard
    if guard.share == 0 or most_items == 1:
        return None
    trust = Trust(most_items, guard.share, guard.flips)
    return Invariance(trust, Sampling(guard.share), asyncio.Queue(_MOST_PUT_ASIDE))


def limits_of(task: Task, route: Route, settings: Settings, room: Room, cost: TokenCost) -> Limits:
    """Return how large a batch may be at most. Raises UserError when the prompt of the task leaves no room for a message."""
    backend, batching = route.backend, settings.batching
    limits = Limits(batching.max_items if backend.together else 1, batching.max_tokens, batching.linger_seconds)
    prompt = f"the prompt of task {task.name}, which takes about {cost.static:.0f} tokens of every call"
    if cost.static >= limits.max_tokens:
        raise UserError(f"batching.max_tokens {limits.max_tokens} leaves no room beside {prompt}: raise it")
    static = backend.largest.overhead(1).static_bytes / cost.bytes_per_token
    bounded = within(limits, room, static, lambda items: backend.largest.overhead(items).output_tokens)
    if bounded is None or static >= bounded.max_tokens:
        raise UserError(
            f"model {settings.model.name} {room}: that leaves no room for a message and its answer beside {prompt}: take a "
            f"model that takes more, shorten the task, or lower model.max_output_tokens_per_item"
        )
    others = cost.static - static  # of the question's other calls: counted by `sizing`, and no part of the largest one
    return replace(bounded, max_tokens=min(limits.max_tokens, int(bounded.max_tokens + others)))


def shareable_by(most_items: int, invariance: Invariance | None) -> Callable[[], float]:
    """Return how many messages may share a call now."""
    if invariance is None:
        return lambda: most_items
    trust = invariance.trust
    return lambda: trust.items


def build_firewall(settings: Settings, task: Task, route: Route, shareable: Callable[[], float]) -> Firewall | None:
    """Return what stands between messages that share a call; None where none do, or nobody wants it."""
    wanted = settings.guard.firewall
    if wanted is None or not route.backend.together or settings.batching.max_items == 1:
        return None
    return Firewall(task, shareable, route.draw, always=wanted == "always")


def reader_of(task: Task, signal: SignalKind, votes: int = 0) -> AnswerReader:
    """Return what reads the answers about the task where labels carry this signal, of so many further answers."""
    books = code_books(task)
    others = [name for name in task.fields if name not in books]
    match signal:
        case SignalKind.DISTRIBUTION:
            return DecidedReader(books, Reader({}, others, banded=False) if others else None)
        case SignalKind.LOGPROBS:
            return WrittenReader(Reader(books, others, banded=False), Scorer(books))
        case SignalKind.AGREEMENT:
            further = {vote: Reader(code_books(permuted(task, vote)), (), banded=False) for vote in range(1, votes + 1)}
            return AgreementReader(Reader(books, others, banded=False), further)
        case SignalKind.BAND:
            return WrittenReader(Reader(books, others, banded=True), None)
        case _:
            assert_never(signal)


def build_pipeline(source: Source, lines: Mapping[str, Line], watch: Watch) -> Pipeline:
    """Return the pipeline, on the real clocks."""
    return Pipeline(source, lines, watch, Clocks(time.monotonic, time.time, random.random))
