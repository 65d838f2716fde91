"""A task: what to read from which topic, what to ask of each message, and where the outcome goes.

These are the words of a task file (`schemas/tasks/*/task.yaml`). `workers.taskfiles` reads the file and says file and line
for whatever is refused here.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.acceptance import DecisionThresholds, Thresholds
from schemas.checks import Check, CheckDigitCheck, FunctionCheck, RangeCheck, RequiresCheck
from schemas.context import ContextRule, context_problems
from schemas.fields import (
    SENTIMENTS,
    UNKNOWN,
    ExtractField,
    ExtractType,
    Frozen,
    ImportPath,
    LabelField,
    Line,
    Name,
    SentimentField,
    TaskField,
    TopicName,
    contradiction,
)
from schemas.patterns import unsafe_pattern
from schemas.priority import PriorityRule
from schemas.promise import Promise
from schemas.routes import LabelRoutes, Problem, Routes, topic_problems

JsonPath = Annotated[str, StringConstraints(pattern=r"^[^.\s][^.]*(\.[^.]+)*$")]
RESERVED = frozenset({"ref", "sure", UNKNOWN})


class Source(Frozen):
    """The input topic, and where in a record's JSON value the parts of a message stand (dotted paths).

    `format: text` takes the whole value as the text; then only `text`-independent parts may be left out.
    """

    topic: TopicName
    format: Literal["json", "text"] = "json"
    text: JsonPath | None = None
    id: JsonPath | None = None
    key: JsonPath | None = None
    tenant: JsonPath | None = None
    metadata: dict[Name, JsonPath] = Field(default_factory=dict)
    priority: PriorityRule | None = None
    max_bytes: int = Field(default=65_536, ge=64, le=900_000)

    @model_validator(mode="after")
    def _mapped(self) -> Self:
        mapped = [self.text, self.id, self.key, self.tenant, *self.metadata.values()]
        if self.format == "json" and self.text is None:
            raise contradiction((), "a json source needs `text`, the path of the text inside the value; add it")
        if self.format == "text" and any(mapped):
            sentence = "a text source has no paths; remove text, id, key, tenant and metadata, or use format: json"
            raise contradiction(("format",), sentence)
        if self.priority is not None and self.priority.field is not None and self.priority.field not in self.metadata:
            sentence = f"the source has no metadata {self.priority.field}; map it under `metadata`, or use `header`"
            raise contradiction(("priority", "field"), sentence)
        return self


class Task(Frozen):
    """One triage job. Contradictions are refused here; nothing is repaired."""

    name: Name
    version: int = Field(default=1, ge=1)
    description: Line = ""
    source: Source
    instructions: str = Field(min_length=1, max_length=20_000)
    fields: dict[Name, TaskField] = Field(min_length=1, max_length=40)
    checks: tuple[Check, ...] = ()
    thresholds: Thresholds | None = None
    promise: Promise | None = None
    context: ContextRule | None = None
    routes: Routes
    reply_model: ImportPath | None = None
    separate_tenants: bool = False
    weight: float = Field(default=1, gt=0, le=1000)  # its share of the calls, beside the worker's other tasks
    examples: str | None = None  # JSON Lines beside the task file, {"text", "<label field>": label}, "context": earlier texts

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for path, sentence in _contradictions(self):
            raise contradiction(path, sentence)
        return self

    def acceptance(self) -> Thresholds | Promise:
        """Return the rule by which labels are accepted: exactly one, thresholds by default."""
        return self.promise or self.thresholds or Thresholds(decisions=DecisionThresholds())

    def accepts_decisions(self) -> bool:
        """Return whether the task has labels, and a rule for a decision route's probabilities of them."""
        rule = self.acceptance()
        if self.context is not None:  # such a route takes one text and nothing beside it
            return False
        return bool(self.classified()) and (isinstance(rule, Promise) or rule.decisions is not None)

    def classified(self) -> Mapping[str, LabelField | SentimentField]:
        """Return the fields that are answered with a label."""
        return {n: f for n, f in self.fields.items() if isinstance(f, LabelField | SentimentField)}

    def promised(self) -> tuple[str, ...]:
        """Return the label fields that the promise is about; none without a promise."""
        if self.promise is None:
            return ()
        labels = self.classified()
        return self.promise.fields or tuple(name for name, field in labels.items() if field.required) or tuple(labels)


_NUMBERS = frozenset({ExtractType.INTEGER, ExtractType.DECIMAL, ExtractType.MONEY})


def _contradictions(task: Task) -> Iterator[Problem]:
    yield from topic_problems(task.routes, task.source.topic)
    if task.context is not None:
        topics = {task.source.topic, *task.routes.topics(), *task.routes.audits().values()}
        yield from context_problems(task.context, task.source.metadata, topics, promised=task.promise is not None)
    if task.promise is not None and task.thresholds is not None:
        yield ("thresholds",), "a task has a promise or thresholds, not both; remove one of them"
    if task.promise is not None:
        yield from _promise_problems(task, task.promise)
    if task.separate_tenants and task.source.tenant is None:
        yield ("separate_tenants",), "separate_tenants needs source.tenant, the path of the tenant in a record; add it"
    for name, field in task.fields.items():
        yield from _field_problems(name, field)
    for index, check in enumerate(task.checks):
        yield from _check_problems(task, index, check)
    for where, name in _threshold_fields(task.thresholds) if task.thresholds else ():
        if name not in task.classified():
            yield (*where, name), f"{name} is no label field, and only labels have a confidence; remove it"
    if isinstance(routes := task.routes.labelled, LabelRoutes):
        where = ("routes", "labelled")
        yield from _label_problems(task, (*where, "field"), (*where, "topics"), routes.field, tuple(routes.topics))


def _promise_problems(task: Task, promise: Promise) -> Iterator[Problem]:
    known = task.classified()
    if not known:
        yield ("promise",), "a promise is about labels and the task has no label field; add one, or use thresholds"
    for index, name in enumerate(promise.fields):
        if name not in known:
            yield ("promise", "fields", index), f"{name} is no label field; name some of: {', '.join(known) or 'none'}"
    if promise.unknown is not None and not any(known[name].required for name in task.promised() if name in known):
        sentence = "no promised field is required, so unknown messages are labelled as such; remove it, or require a field"
        yield ("promise", "unknown"), sentence
    if promise.labels is None:
        return
    where = ("promise", "labels")
    yield from _label_problems(task, (*where, "field"), (*where, "errors"), promise.labels.field, tuple(promise.labels.errors))
    if promise.labels.field not in task.promised():
        yield (*where, "field"), f"the promise is not about {promise.labels.field}; add it to the promise's fields"


def _threshold_fields(thresholds: Thresholds) -> Iterator[tuple[tuple[str, ...], str]]:
    for name in thresholds.fields:
        yield ("thresholds", "fields"), name
    for name in thresholds.decisions.fields if thresholds.decisions else ():
        yield ("thresholds", "decisions", "fields"), name


def _field_problems(name: str, field: TaskField) -> Iterator[Problem]:
    where = ("fields", name)
    if name in RESERVED:
        yield where, f"field name {name} is reserved for the reply; choose another"
    if isinstance(field, LabelField) and UNKNOWN in field.labels:
        yield (*where, "labels", UNKNOWN), f"`{UNKNOWN}` is always an allowed answer and cannot be a label; remove it"
    if isinstance(field, ExtractField) and field.pattern is not None and (why := unsafe_pattern(field.pattern)):
        yield (*where, "pattern"), f"pattern {field.pattern!r} {why}; write a simpler one"


def _check_problems(task: Task, index: int, check: Check) -> Iterator[Problem]:
    if isinstance(check, FunctionCheck):
        return
    where = ("checks", index)
    field = task.fields.get(check.field)
    if field is None:
        yield (*where, "field"), _no_such_field(task, check.field)
    elif isinstance(check, RangeCheck) and not (isinstance(field, ExtractField) and field.type in _NUMBERS):
        yield (*where, "field"), f"{check.field} is no number; a range check needs an integer, decimal or money field"
    elif isinstance(check, CheckDigitCheck) and not isinstance(field, ExtractField):
        yield (*where, "field"), f"{check.field} is not extracted from the text; a check digit needs an extract field"
    if isinstance(check, RequiresCheck):
        yield from _label_problems(task, (*where, "when"), (*where, "labels"), check.when, check.labels)


def _label_problems(
    task: Task, where: tuple[str | int, ...], labels_where: tuple[str | int, ...], name: str, labels: tuple[str, ...]
) -> Iterator[Problem]:
    field = task.classified().get(name)
    if field is None:
        yield where, f"{name} is no label field of the task; name one of: {', '.join(task.classified()) or 'none'}"
        return
    known = field.labels if isinstance(field, LabelField) else SENTIMENTS
    for index, label in enumerate(labels):
        if label not in known:
            place = index if labels_where[-1] == "labels" else label
            yield (*labels_where, place), f"field {name} has no label {label}; add it there or correct it here"


def _no_such_field(task: Task, name: str) -> str:
    return f"the task has no field {name}; name one of: {', '.join(task.fields)}"
