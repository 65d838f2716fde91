"""Wiring: the one place where parts meet. Plain constructor calls; clocks, chance and the environment enter here."""

import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from schemas.calibration import Bound, Calibration
from schemas.reply import code_books
from schemas.task import Task
from schemas.verdict import SignalKind
from topics.codec import Codec
from topics.connection import Connection, Plaintext, Sasl, Security, Tls
from topics.errors import LogRefused
from topics.kafka import IntakeTimings, KafkaLog
from topics.lane_facts import AtLeastOnce, Delivery, ExactlyOnce, LaneRules
from topics.ledger import Order
from topics.log import Log
from topics.source import Source
from workers.asking.openai_model import Endpoint, OpenAIModel
from workers.asking.prompt import Dialect
from workers.asking.route import Route, Wishes
from workers.batching.feeder import Feeder
from workers.batching.sizing import Allowed, Sizing
from workers.batching.slots import Slots
from workers.batching.tokens import TokenCost
from workers.batching.window import Limits, Place, Window
from workers.brake import Brake, BrakeLimits
from workers.calibrationfiles import refuse_other
from workers.calls import Calls
from workers.exits import UserError
from workers.judging.answers import AnswerReader, DecidedReader, WrittenReader
from workers.judging.confidence import Scorer
from workers.judging.reading import Reader
from workers.judging.verdicts import Judge, UserCode
from workers.limiting.account import Account
from workers.limiting.concurrency import Concurrency
from workers.limiting.hedging import Hedging
from workers.limiting.limiter import Limiter
from workers.limiting.quota import Known, Quota
from workers.limiting.ramp import Ramp
from workers.limiting.retries import RetryBudget
from workers.line import Entry, Gate, Line
from workers.patience import Patience
from workers.pipeline import Clocks, Pipeline
from workers.profiles import profile_of
from workers.promising.binding import bound_of
from workers.routing import Router, Shrinker, dead_topics
from workers.secrets import kafka_password, model_api_key
from workers.setting_delivery import AtLeastOnceSettings, DeliverySettings, ExactlyOnceSettings
from workers.setting_sections import KafkaSettings, ModelSettings, Settings
from workers.taskfiles import LoadedTask
from workers.watch import Watch


def connection_of(kafka: KafkaSettings) -> Connection:
    """Return how to reach the cluster. A password file is read anew for each client, so a rotated one is taken up."""
    tls = Tls(kafka.ca_file, kafka.cert_file, kafka.key_file)
    security: Security
    match kafka.security:
        case "PLAINTEXT":
            security = Plaintext()
        case "SSL":
            security = tls
        case "SASL_PLAINTEXT" | "SASL_SSL":
            if kafka.sasl_mechanism is None or kafka.username is None:
                raise RuntimeError("settings let SASL through without a mechanism and a user")
            encrypted = tls if kafka.security == "SASL_SSL" else None
            security = Sasl(kafka.sasl_mechanism, kafka.username, lambda: _password(kafka), encrypted)
        case _:
            assert_never(kafka.security)
    return Connection(kafka.brokers, security, client_id=kafka.app)


def kafka_log(kafka: KafkaSettings) -> KafkaLog:
    """Return the log on the cluster of the settings; nothing is connected yet."""
    timings = IntakeTimings(session=kafka.session_timeout_seconds, heartbeat=kafka.session_timeout_seconds / 5)
    return KafkaLog(connection_of(kafka), timings=timings, instance_id=kafka.group_instance_id)


def openai_model(model: ModelSettings) -> OpenAIModel:
    """Return the model behind the settings' endpoint. Raises SettingsRefused for a key file that cannot be read."""
    model_api_key(model)  # a refused key file is said at start, not at the first call

    def key() -> str:
        secret = model_api_key(model)
        return secret.get_secret_value() if secret is not None else ""

    return OpenAIModel(
        Endpoint(
            base_url=model.base_url,
            api_key=key,
            organization=model.organization,
            project=model.project,
            timeout_seconds=model.timeout_seconds,
            connections=2 * model.concurrency,
        )
    )


def dialect_of(model: ModelSettings) -> Dialect:
    """Return what the route is asked with at first; what it refuses and the signal are settled by asking (`asking.route`)."""
    profile = profile_of(model.name)
    silent = "temperature" not in model.model_fields_set and not profile.temperature
    return Dialect(
        model=model.name,
        signal=SignalKind.LOGPROBS,
        temperature=None if silent else model.temperature,
        reasoning_effort=model.reasoning_effort or profile.reasoning_effort,
        store=False if model.is_openai() else None,
        output_tokens_per_item=model.max_output_tokens_per_item,
    )


def build_limiter(
    settings: Settings,
    clock: Callable[[], float] = time.monotonic,
    chance: Callable[[], float] = random.random,
    patience: Patience | None = None,
) -> Limiter:
    """Return the limiter of the settings' account and model: all tasks share it."""
    limits = settings.limits
    ramp = Ramp() if settings.model.is_openai() else None
    quota = Quota(Known(limits.requests_per_minute, limits.tokens_per_minute), ramp, shared=limits.shared)
    concurrency = Concurrency(settings.model.concurrency, adaptive=limits.adaptive)
    patience = patience or Patience(most_seconds=limits.most_seconds)
    return Limiter(
        Account(quota, patience, concurrency, RetryBudget(limits.retry_share), Hedging(limits.hedge_share)), clock, chance
    )


def wishes_of(model: ModelSettings) -> Wishes:
    """Return what the settings insist on or forbid."""
    gives_none = model.logprobs == "auto" and not profile_of(model.name).logprobs
    insisted = model.model_fields_set & {"reasoning_effort", "temperature"}
    return Wishes(model.backend, "off" if gives_none else model.logprobs, model.decisions_name, frozenset(insisted))


def secure_draw(below: int) -> int:
    """Return a number below the bound that nobody can guess: refs are drawn with it."""
    return secrets.randbelow(below)


@dataclass(frozen=True, slots=True)
class Shared:
    """What the tasks of a worker share, because they ask the same model on the same account."""

    limiter: Limiter
    slots: Slots


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


def bound_by(task: Task, route: Route, settings: Settings) -> Bound:
    """Return what a calibration must be of for this task on this route. Raises ValueError for a task without a promise."""
    backend = route.backend
    hashes = (backend.prompt_hash, backend.schema_hash)
    return bound_of(task, backend.signal, backend.model, hashes, settings.batching.max_items)


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

    Raises UserError for a calibration that is of something else.
    """
    if calibration is not None:
        refuse_other(calibration, bound_by(loaded.task, route, settings), loaded)
    task, batching = loaded.task, settings.batching
    shared = shared or Shared(build_limiter(settings, clock), build_slots(settings, [task]))
    limiter = shared.limiter
    cost = TokenCost(route.backend.overhead(1).static_bytes)
    limits = Limits(batching.max_items if route.backend.together else 1, batching.max_tokens, batching.linger_seconds)
    if cost.static >= limits.max_tokens:
        raise UserError(
            f"batching.max_tokens {limits.max_tokens} leaves no room beside the prompt of task {task.name}, which takes about "
            f"{cost.static:.0f} tokens of every call: raise it"
        )
    sizing = Sizing(limits, cost, lambda: allowed_by(limiter))
    window: Window[Entry] = Window(sizing.limits(), place_of(task))
    return Line(
        task=task,
        codec=Codec(task.source),
        sizing=sizing,
        feeder=Feeder(task.name, window, shared.slots, max_waiting=batching.max_waiting, clock=clock),
        route=route,
        calls=Calls(route, cost, limiter, clock),
        patience=Patience(most_seconds=settings.limits.most_seconds),
        reader=reader_of(task, route.backend.signal),
        judge=Judge(task, UserCode(loaded.reply_model, loaded.functions), calibration),
        repair=settings.model.repair,
        router=Router(task, stream),
        gate=Gate(),
        brake=Brake(BrakeLimits(settings.brake.dead_run, settings.brake.dead_share, settings.brake.window)),
    )


def reader_of(task: Task, signal: SignalKind) -> AnswerReader:
    """Return what reads the answers about the task where labels carry this signal."""
    books = code_books(task)
    others = [name for name in task.fields if name not in books]
    match signal:
        case SignalKind.DISTRIBUTION:
            return DecidedReader(books, Reader({}, others, banded=False) if others else None)
        case SignalKind.LOGPROBS:
            return WrittenReader(Reader(books, others, banded=False), Scorer(books))
        case SignalKind.BAND:
            return WrittenReader(Reader(books, others, banded=True), None)
        case _:
            assert_never(signal)


def build_source(
    log: Log, tasks: Sequence[Task], settings: Settings, watch: Watch, clock: Callable[[], float] = time.monotonic
) -> Source:
    """Return the source over the tasks' topics."""
    shrink = Shrinker({topic: dead for task in tasks for topic, dead in dead_topics(task).items()})
    rules = LaneRules(
        group=settings.kafka.group,
        app=settings.kafka.app,
        order=Order(settings.delivery.order),
        shrink=shrink,
        delivery=delivery_of(settings.delivery),
        commit_seconds=settings.delivery.commit_seconds,
    )
    return Source(log, rules, watch.lane, clock)


def delivery_of(delivery: DeliverySettings) -> Delivery:
    """Return how the lanes publish."""
    match delivery:
        case ExactlyOnceSettings():
            return ExactlyOnce()
        case AtLeastOnceSettings():
            return AtLeastOnce()
        case unsaid:
            assert_never(unsaid)


def build_pipeline(source: Source, lines: Mapping[str, Line], watch: Watch) -> Pipeline:
    """Return the pipeline, on the real clocks."""
    return Pipeline(source, lines, watch, Clocks(time.monotonic, time.time, random.random))


async def require_topics(log: Log, tasks: Sequence[Task]) -> None:
    """Raise LogRefused for the first topic of the tasks that does not exist, before anything is consumed."""
    for task in tasks:
        for topic in [task.source.topic, *sorted(task.routes.topics())]:
            if not await log.partitions(topic):
                raise LogRefused(f"topic {topic} of task {task.name} does not exist: create it with `nanotriage topics apply`")


def stream_name(cluster_id: str, settings: Settings) -> str:
    """Return the name under which event ids are unique: the cluster and the stream's epoch."""
    return f"{cluster_id}/{settings.kafka.stream_epoch}"


def _password(kafka: KafkaSettings) -> str:
    secret = kafka_password(kafka)
    return secret.get_secret_value() if secret is not None else ""
