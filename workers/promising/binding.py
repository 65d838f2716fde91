"""Binding: whether a calibration is of what a worker is about to do. Pure."""

from typing import NamedTuple

from schemas.calibration import Bound, rules_hash
from schemas.promise import Promise
from schemas.task import Task
from schemas.verdict import SignalKind


class Hashes(NamedTuple):
    """What is asked, what may be answered, and the user's own code that judges it."""

    prompt: str
    reply_schema: str
    code: str = ""


def bound_of(task: Task, signal: SignalKind, model: str, hashes: Hashes, batch_items: int) -> Bound:
    """Return what a calibration of this task must be of.

    Raises ValueError for a task without a promise.
    """
    if task.promise is None:
        raise ValueError(f"task {task.name} states no promise")
    return Bound(
        task=task.name,
        rules=rules_hash(task),
        code=hashes.code,
        promise=task.promise,
        signal=signal,
        model=model,
        prompt=hashes.prompt,
        reply_schema=hashes.reply_schema,
        batch_items=batch_items,
    )


def difference(made: Bound, wanted: Bound) -> str | None:
    """Return what the calibration is of and what is wanted instead, in words that end a sentence; None when it fits.

    Smaller batches than those calibrated are taken: at low load every worker makes them.
    """
    if made.task != wanted.task:
        return f"is of task {made.task}, not {wanted.task}"
    if made.model != wanted.model:
        return f"is of model {made.model}, and the model is {wanted.model}"
    if made.signal is not wanted.signal:
        return f"is of the signal {made.signal}, and the model gives {wanted.signal}"
    if made.promise != wanted.promise:
        return f"is of the promise {_said(made.promise)}, and the task states {_said(wanted.promise)}"
    if made.prompt != wanted.prompt:
        return f"is of prompt {made.prompt}, and the task's instructions and fields now make {wanted.prompt}"
    if made.reply_schema != wanted.reply_schema:
        return f"is of reply schema {made.reply_schema}, and the task's fields now make {wanted.reply_schema}"
    if made.rules != wanted.rules:
        return "is of other fields or checks than the task now has"
    if made.code != wanted.code:
        return "is of check functions or a reply model whose code was changed since"
    if made.batch_items < wanted.batch_items:
        return f"is of at most {made.batch_items} messages in a call, and batching.max_items is {wanted.batch_items}"
    return None


def _said(promise: Promise) -> str:
    details = promise.model_dump(mode="json", exclude_defaults=True)
    return ", ".join(f"{name} {value}" for name, value in {**details, "confidence": promise.confidence}.items())
