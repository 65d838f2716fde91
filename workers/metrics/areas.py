"""The catalogue, area by area: names, labels, units and help of every metric."""

from typing import Literal

from prometheus_client import Counter, Gauge, Histogram

from workers.metrics.declared import Declared

Outcome = Literal["labelled", "escalated", "dead"]
Closed = Literal["count", "tokens", "linger", "free_slot", "drain"]
CallOutcome = Literal["answer", "try_again", "too_big", "refused", "broken", "barred"]
HedgeWon = Literal["first", "second"]
TokenKind = Literal["input", "cached", "output"]
CommitResult = Literal["committed", "replaced", "fenced"]

CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)
COMMIT_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0)
EVENT_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
ITEMS = (1.0, 2.0, 4.0, 8.0, 16.0, 24.0, 32.0, 48.0, 64.0, 128.0, 256.0)
PROBABILITY = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.999, 1.0)


class RecordMetrics:
    """What becomes of records."""

    records_received = Declared(Counter, "records_received", "Records read from the input topic.", ("task",), "records")
    records_done = Declared(Counter, "records_done", "Records with a verdict.", ("task", "outcome"), "records")
    escalations = Declared(Counter, "escalations", "Escalated records, by their first reason.", ("task", "reason"), "records")
    dead_letters = Declared(Counter, "dead_letters", "Dead records, by reason.", ("task", "reason"), "records")
    messages_waiting = Declared(Gauge, "messages_waiting", "Messages held and not yet in a batch.", (), "messages")
    record_to_event_seconds = Declared(
        Histogram, "record_to_event_seconds", "From the record's time to its event.", ("task",), "seconds", EVENT_SECONDS
    )
    contexts = Declared(
        Counter, "contexts", "Messages asked about, by whether their conversation was known.", ("task", "known"), "messages"
    )
    context_bytes = Declared(Gauge, "context_bytes", "Conversations held in memory.", ("task",), "bytes")
    confidence = Declared(
        Histogram, "confidence", "Confidence of a label, where it has one.", ("task", "field"), "probability", PROBABILITY
    )


class ModelMetrics:
    """Batches and calls of the model."""

    batches = Declared(Counter, "batches", "Closed batches, by what closed them.", ("task", "closed_because"), "batches")
    batch_items = Declared(Histogram, "batch_items", "Messages in a batch.", ("task",), "messages", ITEMS)
    batch_size = Declared(Gauge, "batch_size", "Messages that a batch should hold now.", ("task",), "messages")
    model_calls = Declared(Counter, "model_calls", "Calls of the model, by what came back.", ("task", "outcome"), "calls")
    model_calls_hedged = Declared(
        Counter, "model_calls_hedged", "Slow calls made a second time, by which was answered first.", ("task", "won"), "calls"
    )
    model_call_seconds = Declared(Histogram, "model_call_seconds", "Time of a call.", ("task",), "seconds", CALL_SECONDS)
    model_tokens = Declared(
        Counter, "model_tokens", "Tokens as the provider counts them; cached ones are input too.", ("task", "kind"), "tokens"
    )
    model_cost_dollars = Declared(
        Counter, "model_cost_dollars", "Cost of the calls; absent while the price is unknown.", ("task",), "US dollars"
    )
    items_reasked = Declared(
        Counter, "items_reasked", "Messages asked again, by what was wrong before.", ("task", "why"), "messages"
    )
    calls_in_flight = Declared(Gauge, "calls_in_flight", "Calls that wait for their answer.", (), "calls")
    model_capability = Declared(
        Gauge, "model_capability", "1 for what the model's route can do, 0 for what it cannot.", ("capability",)
    )
    model_shutdown_days = Declared(
        Gauge,
        "model_shutdown_days",
        "Days until the provider shuts the model down; absent while no date is known.",
        ("model",),
        "days",
    )


class GuardMetrics:
    """Whether messages that share a call answer for themselves alone."""

    guard_compared = Declared(
        Counter,
        "guard_compared",
        "Messages asked again, alone or in a shuffled call, by what comparing the labels said and by place in the first call.",
        ("task", "how", "outcome", "place"),
        "messages",
    )
    guard_labels = Declared(
        Counter,
        "guard_labels",
        "Labels of messages asked again alone, by whether sharing a call had flipped them.",
        ("task", "field", "label", "flipped"),
        "labels",
    )
    guard_flip_rate = Declared(
        Gauge,
        "guard_flip_rate",
        "Share of messages with other labels than alone, by the most items of the call.",
        ("task", "items"),
        "share",
    )
    guard_flip_bound = Declared(
        Gauge,
        "guard_flip_bound",
        "What that share does not exceed, with 90 % confidence at any time.",
        ("task", "items"),
        "share",
    )
    guard_place_flip_bound = Declared(
        Gauge,
        "guard_place_flip_bound",
        "What the share of flipped messages does not exceed by place in the call, with 90 % confidence at any time.",
        ("task", "place"),
        "share",
    )
    guard_label_flip_bound = Declared(
        Gauge,
        "guard_label_flip_bound",
        "What the share of flipped labels does not exceed by label, with 90 % confidence at any time.",
        ("task", "field", "label"),
        "share",
    )
    guard_isolated = Declared(
        Counter,
        "guard_isolated",
        "Messages that share no call because their text looks as if it spoke to the model.",
        ("task", "why"),
        "messages",
    )
    guard_canary_calls = Declared(
        Counter,
        "guard_canary_calls",
        "Answered calls in which canaries stood; void when one had a wrong answer.",
        ("task", "result"),
        "calls",
    )
    guard_trusted_items = Declared(
        Gauge, "guard_trusted_items", "Messages that may share a call before labels depend on it.", ("task",), "messages"
    )


class LimitMetrics:
    """What holds calls back."""

    call_wait_seconds = Declared(
        Histogram, "call_wait_seconds", "Time of a call before it was let go by the limits.", ("task",), "seconds", CALL_SECONDS
    )
    calls_waiting = Declared(Gauge, "calls_waiting", "Calls that the limits hold back.", (), "calls")
    calls_at_once = Declared(Gauge, "calls_at_once", "Calls that may be under way at once now.", (), "calls")
    breaker_open = Declared(Gauge, "breaker_open", "1 while the provider is left alone because it fails.")
    limit_per_minute = Declared(
        Gauge, "limit_per_minute", "The account's limit as set or told; absent while unknown.", ("kind",), "per minute"
    )
    limit_part = Declared(
        Gauge,
        "limit_part",
        "The part of the account's limits for this worker: a share and a loan.",
        ("kind",),
        "share",
    )
    limit_left = Declared(
        Gauge, "limit_left", "What the provider said is left of it; absent while unknown.", ("kind",), "share"
    )


class LaneMetrics:
    """Partitions and their commits."""

    lag_records = Declared(
        Gauge, "lag_records", "Records between our position and the end of the partition.", ("topic", "partition"), "records"
    )
    records_not_done = Declared(
        Gauge, "records_not_done", "Received records without a committed event.", ("topic", "partition"), "records"
    )
    lane_commits = Declared(Counter, "lane_commits", "Commits of a lane, by how they ended.", ("result",), "commits")
    lane_commit_seconds = Declared(Histogram, "lane_commit_seconds", "Time of a commit.", (), "seconds", COMMIT_SECONDS)
    lane_state = Declared(Gauge, "lane_state", "1 for the state the lane is in.", ("topic", "partition", "state"))


class ControlMetrics:
    """What an operator wants at run time."""

    paused = Declared(Gauge, "paused", "1 while nothing of the task is read by an operator's wish.", ("task", "topic"))
    control_version = Declared(
        Gauge, "control_version", "Version of the control that is run, by task and `*`; 0 is none.", ("task",)
    )
    control_refused = Declared(Gauge, "control_refused", "1 while a later control is there and not run.", ("task",))


class ProcessMetrics:
    """The worker itself."""

    tasks = Declared(Gauge, "tasks", "Tasks of the worker's event loop.", (), "tasks")
    intake_stopped = Declared(Gauge, "intake_stopped", "1 while nothing is read, and why.", ("reason",))
    ready = Declared(Gauge, "ready", "1 when /ready answers 200.")
    build_info = Declared(Gauge, "build_info", "Always 1; the version is its label.", ("version",))
