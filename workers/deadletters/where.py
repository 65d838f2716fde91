"""`--where`: conditions on dead letters, such as `reason=undecodable` or `age<1h`. Pure."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from schemas.verdict import Refusal
from workers.deadletters.letters import DeadLetter
from workers.exits import UserError
from workers.task_sentences import did_you_mean

FIELDS_HELP = (
    "reason=R, source=TOPIC[/PARTITION[/OFFSET]], partition, offset (the letter's own), attempts, replays with "
    "= != < <= > >=, age with < <= > >= and 30s, 5m, 1h or 2d"
)

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBERS: Mapping[str, Callable[[DeadLetter], int | None]] = {
    "partition": lambda letter: letter.record.partition.number,
    "offset": lambda letter: letter.record.offset,
    "attempts": lambda letter: letter.attempts,
    "replays": lambda letter: letter.replays,
}
_TEXTS = ("reason", "source")
_FIELDS = (*_TEXTS, *_NUMBERS, "age")
_EXACT = ("=", "!=")
_CONDITION = re.compile(r"([a-z_]+)\s*(!=|>=|<=|=|<|>)\s*(\S+)", re.ASCII)
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_AGE = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class WhereRefused(UserError):
    """A `--where` that cannot be understood."""


@dataclass(frozen=True, slots=True)
class TextCondition:
    """`reason` or `source` is this, or is not."""

    field: str
    comparison: str
    text: str


@dataclass(frozen=True, slots=True)
class NumberCondition:
    """A number of the letter compares so. A number that the letter does not tell never does."""

    field: str
    comparison: str
    number: int


@dataclass(frozen=True, slots=True)
class AgeCondition:
    """The time since the letter was written compares so."""

    comparison: str
    milliseconds: int


Condition = TextCondition | NumberCondition | AgeCondition


@dataclass(frozen=True, slots=True)
class Where:
    """All conditions must hold; without one, every letter is selected."""

    conditions: tuple[Condition, ...] = ()

    def selects(self, letter: DeadLetter, now_ms: int) -> bool:
        return all(_holds(condition, letter, now_ms) for condition in self.conditions)


def parse_where(texts: Sequence[str]) -> Where:
    """Return the conditions. Raises WhereRefused with one sentence for the first that cannot be understood."""
    return Where(tuple(_condition(text) for text in texts))


def _condition(text: str) -> Condition:
    found = _CONDITION.fullmatch(text.strip())
    if found is None:
        raise WhereRefused(f"--where {text!r} is no condition: write FIELD=VALUE, such as reason=undecodable or age<1h")
    field, comparison, value = found.groups()
    if field not in _FIELDS:
        near = did_you_mean(field, _FIELDS)
        advice = f"did you mean {near}?" if near else f"use one of {', '.join(_FIELDS)}"
        raise WhereRefused(f"--where {text!r}: a dead letter has no field {field}; {advice}")
    if field == "age":
        return _age(text, comparison, value)
    if field in _NUMBERS:
        if not _NUMBER.fullmatch(value):
            raise WhereRefused(f"--where {text!r}: {field} is compared with a whole number, such as {field}{comparison}3")
        return NumberCondition(field, comparison, int(value))
    if comparison not in _EXACT:
        raise WhereRefused(f"--where {text!r}: {field} is a text, and texts are compared with = or !=")
    if field == "reason" and value not in set(Refusal):
        near = did_you_mean(value, set(Refusal))
        advice = f"did you mean {near}?" if near else f"use one of {', '.join(Refusal)}"
        raise WhereRefused(f"--where {text!r}: there is no reason {value}; {advice}")
    return TextCondition(field, comparison, value)


def _age(text: str, comparison: str, value: str) -> AgeCondition:
    found = _AGE.fullmatch(value)
    if found is None:
        raise WhereRefused(f"--where {text!r}: an age is a whole number and s, m, h or d, such as age<1h")
    if comparison in _EXACT:
        raise WhereRefused(f"--where {text!r}: nothing is exactly so old; compare ages with <, <=, > or >=")
    return AgeCondition(comparison, int(found[1]) * _UNIT_MS[found[2]])


def _holds(condition: Condition, letter: DeadLetter, now_ms: int) -> bool:
    match condition:
        case TextCondition(field, comparison, text):
            same = letter.reason == text if field == "reason" else _is_source(letter, text)
            return same is (comparison == "=")
        case NumberCondition(field, comparison, number):
            has = _NUMBERS[field](letter)
            return has is not None and _COMPARISONS[comparison](has, number)
        case AgeCondition(comparison, milliseconds):
            return _COMPARISONS[comparison](now_ms - letter.record.timestamp_ms, milliseconds)
        case unsaid:
            assert_never(unsaid)


def _is_source(letter: DeadLetter, text: str) -> bool:
    place = (letter.source.topic, str(letter.source.number), str(letter.source_offset))
    named = tuple(text.split("/"))
    return named == place[: len(named)]
