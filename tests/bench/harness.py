"""One benchmark: a broker, a model and a topic per regime, one peer after the other, one result for each run."""

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer

from schemas.message import Message
from schemas.task import Task
from schemas.verdict import SignalKind
from tests.bench import topic as topics
from tests.bench.figures import Window, ceiling, per_cpu_second, quantile, steady
from tests.bench.peers.common import Job
from tests.bench.regimes import BATCH, PARTITIONS, Regime
from tests.bench.roster import WORKER, Peer
from tests.bench.run import SESSION_SECONDS, Eyes, Trace, environment_of_peers, started, watch
from tests.broker.workers_under_test import environment
from tests.checker import judge, origin_of
from tests.fakes.model_process import FakeModel
from tests.fakes.model_replies import pieces, read, usage_of
from tests.helpers import call_of
from topics.record import Record
from workers.asking.prompt import Dialect, Prompt
from workers.taskfiles import load_task

Result = dict[str, Any]

TASK = """
name: bench
source: {topic: TOPIC, text: body, id: id}
instructions: Label the support messages. PADDING
fields:
  intent: {kind: label, labels: {card_arrival: asks where the card is, other: anything else}}
  sentiment: {kind: sentiment}
  order_id: {kind: extract}
  amount: {kind: extract, type: money}
routes: {labelled: OUT, escalated: OUT-escalated, dead: OUT-dead}
"""
_PLACE = "the place of the items"


@dataclass(frozen=True, slots=True)
class Stage:
    """What the runs of one regime share."""

    brokers: str
    folder: Path
    regime: Regime
    source: str


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything a result is made from."""

    trace: Trace
    events: list[Record]
    stats: Mapping[str, Any]
    latencies: list[float]


async def prepare(brokers: str, folder: Path, regime: Regime) -> Stage:
    """Make the regime's topic and fill it, unless messages come while it runs."""
    stage = Stage(brokers, folder, regime, f"{regime.name}-in")
    if regime.per_second is None:
        await topics.make_topics(brokers, [stage.source])
        await topics.fill(brokers, stage.source, regime.messages)
    return stage


async def run_one(stage: Stage, peer: Peer, number: int, report: Callable[[int, float], None]) -> Result:
    """Run the peer once and return its figures."""
    regime, run = stage.regime, f"{stage.regime.name}-{peer.name}-{number}"
    source = stage.source if regime.per_second is None else f"{run}-in"
    outs = [f"{run}-out", f"{run}-out-escalated", f"{run}-out-dead"]
    made = outs if source == stage.source else [source, *outs]
    await topics.make_topics(stage.brokers, made)
    file = stage.folder / f"{run}.json"
    task = write_task(file.with_suffix(".yaml"), source, outs[0])
    with FakeModel(*regime.model, *regime.limits) as model:
        job = job_of(stage, task, model.base_url, (source, outs[0], run))
        settings = worker_environment(job, regime) if peer.name == WORKER else environment_of_peers(os.environ)
        most = regime.seconds_of(peer.name)
        async with topics.Ends(stage.brokers, outs) as ends, started(peer, job, file, settings, regime.processes) as subject:
            arrivals = asyncio.ensure_future(follow(stage, source, outs)) if regime.per_second else None

            async def complete() -> bool:
                found = await topics.read_events(stage.brokers, stage.folder, outs)
                return len({origin_of(event) for event in found}) >= regime.messages

            trace = await watch(subject, Eyes(ends, complete, report), regime, most)
            over_at, stats = time.time(), model.stats()
            latencies = await arrivals if arrivals is not None else []
    events = await topics.read_events(stage.brokers, stage.folder, outs)
    timed = [event for event in events if event.timestamp_ms / 1000 <= over_at]
    observed = Observed(trace, timed if not regime.drains else events, stats, latencies)
    return {"regime": regime.name, "peer": peer.name, "round": number, **figures(stage, observed, source)}


def write_task(path: Path, source: str, out: str) -> Task:
    text = TASK.replace("TOPIC", source).replace("OUT", out).replace("PADDING", "You label support messages. " * 120)
    path.write_text(text, encoding="utf-8")
    return load_task(str(path)).task


def job_of(stage: Stage, task: Task, url: str, names: tuple[str, str, str]) -> Job:
    """Return the peer's job; its request is the worker's own, so that all ask the same."""
    question = call_of(Prompt(task, Dialect("bench", SignalKind.BAND)), [Message("", "", None, None, {})], lambda _: 0)
    request = orjson.loads(question.body)
    request["messages"][-1]["content"] = _PLACE
    request["max_completion_tokens"] = 32 + 120 * BATCH
    head, tail = orjson.dumps(request).decode().split(f'"{_PLACE}"')
    source, out, group = names
    return Job(
        brokers=stage.brokers,
        model_url=url,
        topic=source,
        out=out,
        group=group,
        partitions=PARTITIONS,
        head=head,
        tail=tail,
        concurrency=stage.regime.calls,
        batch=BATCH,
        linger_seconds=stage.regime.linger_seconds,
        session_seconds=SESSION_SECONDS,
    )


def worker_environment(job: Job, regime: Regime) -> dict[str, str]:
    """Return the worker's settings: as the peers are, and the account's limits, which only it can be told."""
    known = {"limits__requests_per_minute": regime.rpm, "limits__tokens_per_minute": regime.tpm}
    asks_again = {} if regime.full else {"guard__share": 0}
    return environment(
        **{name: value for name, value in known.items() if value is not None},
        **asks_again,
        kafka__brokers=job.brokers,
        kafka__group=job.group,
        kafka__session_timeout_seconds=job.session_seconds,
        model__base_url=job.model_url,
        model__name="bench",
        model__concurrency=job.concurrency,
        model__logprobs="off",
        batching__max_items=job.batch,
        batching__max_waiting=10_000 if regime.full else 4_000,
        health__port=0,
        logs__format="json",
    )


async def follow(stage: Stage, source: str, outs: list[str]) -> list[float]:
    """Send the messages at their pace, once the event of the first is there; return the others' seconds from send to event."""
    regime, brokers = stage.regime, stage.brokers
    reader = AIOKafkaConsumer(
        *outs, bootstrap_servers=brokers, isolation_level="read_committed", auto_offset_reset="earliest", fetch_max_wait_ms=5
    )
    await reader.start()
    sent: dict[str, float] = {}
    arrived: dict[str, float] = {}
    warm = asyncio.Event()

    async def send() -> None:
        await topics.drip(brokers, source, range(1), 1.0, sent)
        await warm.wait()
        await topics.drip(brokers, source, range(1, regime.messages), regime.per_second or 1.0, sent)

    sending = asyncio.ensure_future(send())
    try:
        async with asyncio.timeout(regime.most_seconds):
            while len(arrived) < regime.messages:
                for records in (await reader.getmany(timeout_ms=100)).values():
                    now = time.time()
                    arrived |= {orjson.loads(record.value)["message"]["id"]: now for record in records}
                    warm.set()
    except TimeoutError:
        sending.cancel()
    finally:
        await reader.stop()
    return [at - sent[name] for name, at in arrived.items() if name != "0"]


def figures(stage: Stage, seen: Observed, source: str) -> Result:
    """Return what the run showed. What cannot be known of a run that was cut short is None."""
    regime, trace, stats = stage.regime, seen.trace, seen.stats
    times = [event.timestamp_ms / 1000 for event in seen.events]
    window = steady(times, regime.skip, regime.window_seconds)
    origins = {origin_of(event) for event in seen.events}
    sent = topics.inputs(source, regime.messages)
    complete = (regime.drains and trace.why is None) or len(origins) >= regime.messages  # else what lacks may still come
    verdict = judge(sent if complete else [one for one in sent if (one.partition, one.offset) in origins], seen.events, {})
    best = best_per_second(stage, source)
    return {
        "why": trace.why,
        "killed_at": trace.killed_at,
        "events": len(seen.events),
        "per_second": window and window.per_second,
        "seconds": window and window.till - window.since,
        "per_cpu_second": window and per_cpu_second(times, trace.samples, window),
        "cores": window and _cores(trace, window),
        "rss_mb": max((sample.rss_bytes for sample in trace.samples), default=0) / 2**20,
        "ceiling": best,
        "efficiency": window and best and window.per_second / best,
        "lost": verdict.lost.count if complete else None,
        "doubled": verdict.doubled.count,
        "misordered": verdict.misordered.count,
        "reasked": stats["items"] - stats["distinct_texts"] if stats["distinct_texts"] else None,
        "calls": stats["calls"],
        "items_per_call": stats["items"] / max(1, stats["calls"] - stats["limited"]),
        "limited_share": stats["limited"] / max(1, stats["calls"]),
        "tokens_per_message": stats["tokens"] / max(1, len(origins)),
        "model_cpu_seconds": stats["cpu_seconds"],
        "latency_p50": quantile(seen.latencies, 0.5) if seen.latencies else None,
        "latency_p99": quantile(seen.latencies, 0.99) if seen.latencies else None,
    }


def best_per_second(stage: Stage, source: str) -> float | None:
    """Return R* of the regime, or None where nothing but the machine is the limit or a process dies."""
    regime = stage.regime
    if regime.rpm is not None and regime.tpm is not None:
        return ceiling([regime.rpm / 60, regime.tpm / 60 / tokens_of_full_call(stage, source)], BATCH)
    if regime.name == "latency":
        return ceiling([regime.calls / (regime.latency_ms / 1000)], BATCH)
    return None


def tokens_of_full_call(stage: Stage, source: str) -> int:
    """Return what a call with a whole batch costs at this model."""
    with tempfile.TemporaryDirectory() as folder:
        task = write_task(Path(folder) / "task.yaml", source, "out")
    messages = [Message(orjson.loads(topics.message(n))["body"], "", None, None, {}) for n in range(BATCH)]
    question = call_of(Prompt(task, Dialect("bench", SignalKind.BAND)), messages, random.Random(1).randrange)
    asked = read(question.body)
    return usage_of(asked, pieces(asked, asked.items, "first")).total


def _cores(trace: Trace, window: Window) -> float | None:
    inside = [sample for sample in trace.samples if window.since <= sample.at <= window.till]
    if len(inside) < 2:  # it takes two to measure between
        return None
    return (inside[-1].cpu_seconds - inside[0].cpu_seconds) / (inside[-1].at - inside[0].at)
