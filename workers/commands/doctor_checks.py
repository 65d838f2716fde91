"""What `nanotriage doctor` looks at. A check returns rows and raises nothing a user could cause."""

import contextlib
import errno
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import packages_distributions, version
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import aiohttp

from schemas.task import Task
from topics.broker_features import may_hide_commits, release_of
from topics.errors import LogError
from topics.log import Log
from workers.asking.model_card import NO_CARD, ModelCard, read_cards
from workers.calibrationfiles import read_calibration
from workers.exits import UserError
from workers.installation import refusal_of_interpreter
from workers.profiles import profile_of, shutdown_sentence
from workers.secrets import kafka_password, model_api_key
from workers.settings import HealthSettings, ModelSettings, Settings, SettingsRefused
from workers.taskfiles import LoadedTask
from workers.wiring.kafka import topics_of
from workers.wiring.model import room_of

ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Check:
    """One row. `next` says what to do, and is empty when there is nothing to do."""

    name: str
    verdict: Literal["ok", "warn", "fail"]
    found: str
    next: str = ""


def check_python() -> Iterable[Check]:
    """This interpreter, and that `schemas`, `topics` and `workers` are ours."""
    yield Check("python", "ok", f"{sys.version.split()[0]}, assertions on")
    refusal = refusal_of_interpreter()
    if refusal is not None:
        yield Check("packages", "fail", "another package has one of our names", refusal)
        return
    owners = packages_distributions()
    shared = {room: owners[room] for room in ("workers", "topics", "schemas") if len(set(owners.get(room, ()))) > 1}
    for room, names in shared.items():
        found = f"{room} belongs to {' and '.join(sorted(set(names)))}"
        yield Check("packages", "warn", found, "install nanotriage in an environment of its own")
    if not shared:
        yield Check("packages", "ok", "workers, topics and schemas lie side by side")


def check_calibration(loaded: LoadedTask, settings: Settings) -> Iterable[Check]:
    """The calibration of a task with a promise: whether it is there and is of this model. A worker sees the rest."""
    if loaded.task.promise is None:
        return
    name, again = f"calibration {loaded.task.name}", f"nanotriage calibrate --task {loaded.path}"
    try:
        made = read_calibration(loaded, settings.calibration_folder)
    except UserError as error:
        yield Check(name, "fail", str(error), again)
        return
    model, groups = settings.model.name, made.groups.values()
    if made.bound.model != model:
        yield Check(name, "fail", f"is of model {made.bound.model}, and the model is {model}", again)
    elif all(group.least is None for group in groups):
        yield Check(name, "warn", "no threshold keeps the promise, so every message will be escalated", again)
    else:
        yield Check(name, "ok", f"made {made.made} from {made.counts.examples} examples of {model}")


async def check_broker(log: Log, settings: Settings, tasks: Mapping[str, Task]) -> list[Check]:
    """The cluster, the topics of the tasks (by reference), and whether we may open a transaction."""
    try:
        kafka_password(settings.kafka)
        cluster, level = await log.cluster_id(), await log.metadata_version()
    except SettingsRefused as error:
        return [Check("broker", "fail", str(error), "correct the file")]
    except LogError as error:
        next_step = "start a broker (`nanotriage kafka up` makes one here) or correct kafka.brokers and kafka.security"
        return [Check("broker", "fail", str(error), next_step)]
    found = f"cluster {cluster} at {settings.kafka.brokers}, by aiokafka {version('aiokafka')}"
    return [
        Check("broker", "ok", found),
        _check_release(level),
        *await _check_topics(log, tasks, topics_of(settings)),
        await _check_transactions(log, settings),
    ]


def _check_release(level: int | None) -> Check:
    if level is None:
        return Check("broker release", "ok", "the cluster tells no feature level: Kafka 2.8 or older, or another broker")
    found = f"Kafka {release_of(level)}, by metadata.version {level}"
    if not may_hide_commits(level):
        return Check("broker release", "ok", found)
    found += "; when all replicas of a partition crash at once, a committed transaction can stay undecided (KAFKA-20734)"
    return Check("broker release", "warn", found, "keep replicas that cannot all crash at once, or run Kafka 4.2")


async def _check_topics(log: Log, tasks: Mapping[str, Task], others: Sequence[str]) -> list[Check]:
    checks = []
    for reference, task in tasks.items():
        context = [] if task.context is None else [task.context.topic, task.context.forget_topic]
        for topic in (task.source.topic, *sorted(task.routes.topics()), *task.routes.audits().values(), *context, *others):
            name = f"topic {topic}"
            try:
                partitions = await log.partitions(topic)
            except LogError as error:
                checks.append(Check(name, "fail", str(error), "let the user of this worker see the topic"))
                continue
            if partitions:
                checks.append(Check(name, "ok", f"{len(partitions)} partition{'s' if len(partitions) > 1 else ''}"))
            else:
                extra = " --create-source" if topic == task.source.topic else ""
                checks.append(Check(name, "fail", "does not exist", f"nanotriage topics apply --task {reference}{extra}"))
    return checks


async def _check_transactions(log: Log, settings: Settings) -> Check:
    name = f"{settings.kafka.app}.{settings.kafka.group}.doctor"
    writer = log.writer(name, settings.kafka.group)
    try:
        await writer.open()
    except LogError as error:
        next_step = f"grant WRITE and DESCRIBE on transactional ids that begin with {settings.kafka.app}."
        return Check("transactions", "fail", str(error), next_step)
    writer.discard()
    return Check("transactions", "ok", f"transactional id {name} opened")


async def check_model(model: ModelSettings) -> list[Check]:
    """The endpoint's list of models: whether it answers, takes our key and has our model. No token is spent."""
    try:
        key = model_api_key(model)
    except SettingsRefused as error:
        return [Check("model key", "fail", str(error), "correct the file")]
    if key is None and model.is_openai():
        found = "none is set, and OpenAI asks for one"
        return [Check("model key", "fail", found, "set NANOTRIAGE_MODEL__API_KEY_FILE to a file with the key")]
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key is not None else {}
    url = f"{model.base_url}/models"
    try:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            return _judge_models(model, response.status, await response.read(), with_key=key is not None)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        found = f"{url} gives no answer ({type(error).__name__})"
        return [
            Check("model endpoint", "fail", found, "start it (`nanotriage model up` makes one here) or correct model.base_url")
        ]


def _judge_models(model: ModelSettings, status: int, body: bytes, *, with_key: bool) -> list[Check]:
    """Decide from the answer to GET /models. A model that is merely not listed may still answer: a warning."""
    endpoint = Check("model endpoint", "ok", f"{model.base_url} answers")
    if status in {401, 403}:
        found = "is refused" if with_key else "none is set, and the endpoint asks for one"
        return [endpoint, Check("model key", "fail", found, "put a valid key into model.api_key_file")]
    if status != 200:  # noqa: PLR2004 (HTTP OK)
        found = f"{model.base_url}/models answers {status}"
        return [Check("model endpoint", "warn", found, "correct model.base_url, unless this endpoint lists no models")]
    listed = read_cards(body)
    named = Check("model", "ok", f"{model.name} is listed")
    if model.name not in listed:
        found = f"{model.name} is not listed by the endpoint"
        named = Check("model", "warn", found, "correct model.name, unless the endpoint knows it all the same")
    card = listed.get(model.name, NO_CARD)
    rest = (*_check_shutdown(model, card.shutdown or profile_of(model.name).shutdown), _check_price(model))
    return [endpoint, _check_key(model, with_key=with_key), named, _check_room(model, card), *rest]


def _check_room(model: ModelSettings, card: ModelCard) -> Check:
    """Say what one call may hold, since batches are cut to it."""
    room = room_of(model, card)
    if room.context_tokens is None:
        return Check(
            "model room", "ok", "unknown: batches are bounded by batching.max_tokens alone; model.context_tokens sets it"
        )
    answer = f", {room.output_tokens:,} of them in an answer" if room.output_tokens else ""
    return Check("model room", "ok", f"{room.context_tokens:,} tokens in one call{answer}")


def _check_shutdown(model: ModelSettings, shutdown: date | None) -> Iterable[Check]:
    sentence = shutdown_sentence(model.name, shutdown, datetime.now(UTC).date())
    if sentence is not None:
        found, _, todo = sentence.partition(": ")
        yield Check("model shutdown", "warn", found, todo)
    elif shutdown is not None:
        yield Check("model shutdown", "ok", f"{model.name} is served until {shutdown}")


def _check_key(model: ModelSettings, *, with_key: bool) -> Check:
    if not with_key:
        return Check("model key", "ok", "none is set and none is asked for")
    parts = urlsplit(model.base_url)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        return Check("model key", "warn", f"travels to {parts.hostname} unencrypted", "use an https:// base_url")
    return Check("model key", "ok", "accepted")


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _check_price(model: ModelSettings) -> Check:
    price = model.price()
    if price is None:
        found = f"unknown for {model.name}: no cost is counted"
        return Check("model price", "warn", found, f"add [model.prices.{model.name!r}] with input, cached and output")
    return Check("model price", "ok", f"{price.input:g} / {price.cached:g} / {price.output:g} dollars per million tokens")


def check_health(health: HealthSettings) -> Check:
    """Whether the health port is free now."""
    if health.port is None:
        return Check("health port", "ok", "off")
    try:
        with socket.create_server((health.host, health.port)):
            return Check("health port", "ok", f"{health.host}:{health.port} is free")
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        found = f"{health.host}:{health.port} {'is taken' if taken else 'cannot be listened on'}"
        return Check("health port", "fail", found, "set NANOTRIAGE_HEALTH__PORT to a free port, or to 0 for any")


def check_settings_file(config: Path | None, sources: Iterable[str]) -> Check:
    """Say how many settings are not defaults. The settings themselves were refused before, or are good."""
    count = len(list(sources))
    where = f"{config}, " if config else ""
    return Check("settings", "ok", f"{where}{count} {'differs' if count == 1 else 'differ'} from the defaults")
