"""Watching: the pipeline's facts as metrics and log lines. No message text, key or header is ever among them."""

from collections.abc import Mapping, Sequence
from typing import assert_never

from schemas.verdict import Confidence, Escalated, Labelled, Rejected, Verdict
from topics.lane_facts import Committing, LaneFact, LaneState, StateChange
from topics.record import Partition, Record
from topics.source import Standing
from workers.asking.model import Answer, Barred, Broken, Fault, Refused, TooBig, TryAgain, Usage
from workers.batching.window import Batch
from workers.calls import Asked
from workers.health import Readiness
from workers.limiting.breaker import BreakerState
from workers.limiting.limiter import Limiter
from workers.line import Entry, Line
from workers.logs import bind
from workers.metrics import CallOutcome, Metrics, PartitionMetrics
from workers.setting_model import Price
from workers.watch_controls import ControlWatch
from workers.watch_guard import GuardWatch
from workers.watch_promises import PromiseWatch

_LOG = bind("nanotriage.pipeline")
_PROVIDER = "provider"
_TROUBLED = frozenset({LaneState.QUARANTINED, LaneState.REFUSED})


class Watch:
    """Turns facts into metrics and log lines. `price` None leaves the cost series absent."""

    def __init__(self, metrics: Metrics, tasks: list[str], price: Price | None, readiness: Readiness) -> None:
        self._metrics = metrics
        self._tasks = {task: metrics.for_task(task) for task in tasks}
        self._price = price
        self._partitions: dict[Partition, PartitionMetrics] = {}
        self._readiness = readiness
        self._troubles: dict[str, str] = {}
        self.promises = PromiseWatch(metrics, readiness)
        self.guard = GuardWatch(self._tasks)
        self.controls = ControlWatch(metrics, readiness)
        self._faulty: dict[str, str] = {}
        self._barred: set[str] = set()

    def lane(self, fact: LaneFact) -> None:
        match fact:
            case Committing(result=result, seconds=seconds, records=records, partition=partition):
                self._metrics.commits[result.value].inc()
                self._metrics.lane_commit_seconds.observe(seconds)
                if result.value != "committed":
                    _LOG.warning("commit_in_doubt", partition=str(partition), result=result.value, records=records)
            case StateChange(partition=partition, state=state, why=why):
                self._state(partition, state, why)
            case _:
                assert_never(fact)

    def polled(self, lines: Mapping[str, Line], standings: Mapping[Partition, Standing]) -> None:
        """Set the gauges that a poll may have moved."""
        self._metrics.messages_waiting.set(sum(line.feeder.waiting for line in lines.values()))
        for limiter in {line.calls.limiter for line in lines.values()}:
            self._limits(limiter)
        for line in lines.values():
            if line.invariance is not None:
                self.guard.trusts(line.task.name, line.invariance.trust)
            metrics = self._tasks[line.task.name]
            metrics.batch_size.set(line.feeder.max_items)
            if line.recall is not None:
                metrics.context_bytes[line.task.name].set(line.recall.memory.bytes)
        for partition, standing in standings.items():
            gauges = self._gauges(partition)
            gauges.not_done(standing.owed)
            if standing.lag is not None:
                gauges.lag(standing.lag)

    def received(self, task: str, records: int) -> None:
        self._tasks[task].received.inc(records)

    def batch(self, task: str, batch: Batch[Entry]) -> None:
        self._tasks[task].batches[batch.closed_because.value].inc()
        self._tasks[task].batch_items.observe(len(batch.items))
        self._metrics.calls_in_flight.inc()

    def batch_ended(self) -> None:
        self._metrics.calls_in_flight.dec()

    def admitted(self, task: str, seconds: float) -> None:
        self._tasks[task].call_wait_seconds.observe(seconds)

    def call(self, task: str, asked: Asked) -> None:
        """Count a call; say a provider's trouble when it begins and when it ends, not each time."""
        metrics, result = self._tasks[task], asked.result
        if asked.hedge is not None:
            metrics.hedges[asked.hedge].inc()
        metrics.calls[_outcome(result)].inc()
        metrics.call_seconds.observe(asked.seconds)
        if isinstance(result, Answer):
            usage = result.usage
            metrics.tokens["input"].inc(usage.input)
            metrics.tokens["cached"].inc(usage.cached)
            metrics.tokens["output"].inc(usage.output)
            if self._price is not None and usage != Usage():  # what is not counted costs an unknown amount
                metrics.cost(self._price.dollars(usage.input, usage.cached, usage.output))
            if self._faulty.pop(task, None) is not None:
                _LOG.info("model_answers_again", task=task)
        elif isinstance(result, TryAgain):
            if task not in self._faulty:
                _LOG.warning("model_unavailable", task=task, why=result.why, next="the same messages are asked again")
            self._faulty[task] = result.why
        elif not isinstance(result, Barred):
            _LOG.warning("model_call_failed", task=task, outcome=_outcome(result), why=result.why)

    def contexts(self, task: str, entries: Sequence[Entry]) -> None:
        """Count the messages of a first call, by whether it says what was said before them."""
        known = sum(entry.message.context is not None for entry in entries)
        self._tasks[task].contexts["yes"].inc(known)
        self._tasks[task].contexts["no"].inc(len(entries) - known)

    def unread(self, task: str, why: str) -> None:
        self._tasks[task].reasked[why].inc()

    def verdict(self, task: str, verdict: Verdict, record: Record, now: float) -> None:
        """Count a settled record. `now` is seconds since the epoch."""
        metrics = self._tasks[task]
        metrics.record_to_event_seconds.observe(max(0.0, now - record.timestamp_ms / 1000))
        match verdict:
            case Rejected(refusal=refusal, detail=detail):
                metrics.done["dead"].inc()
                metrics.dead_letters[refusal.value].inc()
                _LOG.warning(
                    "dead_letter",
                    task=task,
                    partition=str(record.partition),
                    offset=record.offset,
                    reason=refusal.value,
                    detail=detail,
                )
                return
            case Escalated(reasons=reasons):
                metrics.done["escalated"].inc()
                metrics.escalations[reasons[0].doubt.value].inc()
            case Labelled():
                metrics.done["labelled"].inc()
            case _:
                assert_never(verdict)
        for name, result in verdict.fields.items():
            if isinstance(result.signal, Confidence):
                metrics.confidence[name].observe(result.signal.probability)

    def barred(self, task: str, why: str) -> None:
        self._trouble(f"task {task}", f"task {task}: intake stopped: {why}")
        self._barred.add(task)
        self._metrics.intake_stopped.labels("model").set(1)
        _LOG.error("intake_stopped", task=task, why=why, next="nothing is lost; the model is asked again every so often")

    def unbarred(self, task: str) -> None:
        self._over(f"task {task}")
        self._barred.discard(task)
        self._metrics.intake_stopped.labels("model").set(float(bool(self._barred)))
        _LOG.info("intake_resumed", task=task)

    def _limits(self, limiter: Limiter) -> None:
        self._metrics.calls_waiting.set(limiter.waiting)
        self._metrics.calls_at_once.set(limiter.most_in_flight)
        self._breaker(shut=limiter.breaker is not BreakerState.CLOSED)
        self._metrics.limit_part.labels("share").set(limiter.part.share)
        self._metrics.limit_part.labels("loan").set(limiter.part.borrowed)
        known, left = limiter.known(), limiter.left()
        for gauge, requests, tokens in (
            (self._metrics.limit_per_minute, known.requests_per_minute, known.tokens_per_minute),
            (self._metrics.limit_left, left.requests, left.tokens),
        ):
            for kind, value in (("requests", requests), ("tokens", tokens)):
                if value is not None:
                    gauge.labels(kind).set(value)

    def _breaker(self, *, shut: bool) -> None:
        """Say it when the provider is given up for a while, and when it is back."""
        self._metrics.breaker_open.set(float(shut))
        if shut and _PROVIDER not in self._troubles:
            self._trouble(_PROVIDER, "the model does not answer: one call at a time looks whether it is back")
            _LOG.error("calls_held_back", why="the model failed again and again", next="nothing is lost; it is looked for")
        elif not shut and _PROVIDER in self._troubles:
            self._over(_PROVIDER)
            _LOG.info("calls_resumed")

    def _state(self, partition: Partition, state: LaneState, why: str) -> None:
        name = f"lane {partition}"
        self._over(name)
        if state is LaneState.CLOSED:
            self._gauges(partition).forget()
            self._partitions.pop(partition, None)
        else:
            self._gauges(partition).state(state.value)
        if state in _TROUBLED:
            self._trouble(name, f"lane {partition} is {state.value}: {why}")
            _LOG.error("lane_stopped", partition=str(partition), state=state.value, why=why)
        elif why:
            _LOG.warning("lane", partition=str(partition), state=state.value, why=why)
        else:
            _LOG.info("lane", partition=str(partition), state=state.value)

    def _trouble(self, name: str, sentence: str) -> None:
        self._over(name)
        self._troubles[name] = sentence
        self._readiness.block(sentence)

    def _over(self, name: str) -> None:
        if (sentence := self._troubles.pop(name, None)) is not None:
            self._readiness.clear(sentence)

    def _gauges(self, partition: Partition) -> PartitionMetrics:
        gauges = self._partitions.get(partition)
        if gauges is None:
            gauges = self._partitions[partition] = self._metrics.for_partition(partition.topic, partition.number)
        return gauges


def _outcome(result: Answer | Fault) -> CallOutcome:
    match result:
        case Answer():
            return "answer"
        case TryAgain():
            return "try_again"
        case TooBig():
            return "too_big"
        case Refused():
            return "refused"
        case Broken():
            return "broken"
        case Barred():
            return "barred"
        case _:
            assert_never(result)
