"""What the answer of a decision route says, on either wire. Pure.

A decision is believed as far as it is whole: a label, and the probability of every choice. A distribution that does not add
up to one, that lacks its own choice or that another choice leads is left out (None), never repaired; the label stays.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.fields import NO, UNKNOWN, YES
from schemas.verdict import Decision
from workers.asking.model import Answer, Broken, Call, Fault, Refused
from workers.asking.usage import read_usage

_TOLERANCE = 0.02  # probabilities are rounded on some wires
_MAX_NAME = 200
_EVEN = 0.5


def read_decisions(parsed: Mapping[str, Any], call: Call, request_id: str) -> Answer | Fault:
    """Read `POST /decisions`: a list of answers in the questions' order, a refusal among them where one is refused."""
    answers = parsed.get("answers")
    if not isinstance(answers, list) or len(answers) != len(call.fields):
        return Broken("the route answered 200 without an answer to each question")
    decided: dict[str, Decision] = {}
    refused = 0
    for field, answer in zip(call.fields, answers, strict=True):
        if not isinstance(answer, dict) or answer.get("name") not in (None, field):
            return Broken("the route answered 200 with other answers than were asked for")
        refused += answer.get("type") == "refusal"
        rows = answer.get("probabilities")
        key = "label" if answer.get("type") == "score" else "value"
        pairs = [(r.get(key), r.get("probability")) for r in rows if isinstance(r, dict)] if isinstance(rows, list) else []
        _decide(decided, field, answer, pairs, call.levels.get(field, ()))
    return _answer(parsed, call, request_id, decided, refused=refused)


def read_systemone(parsed: Mapping[str, Any], call: Call, request_id: str) -> Answer | Fault:
    """Read `POST /systemone`: an object of answers by the questions' names."""
    answers = parsed.get("answers")
    if not isinstance(answers, dict):
        return Broken("the route answered 200 without answers")
    decided: dict[str, Decision] = {}
    for field in call.fields:
        answer = answers.get(field)
        if isinstance(answer, dict):
            rows, levels = answer.get("probabilities"), call.levels.get(field, ())
            pairs = list(rows.items()) if isinstance(rows, dict) else []
            if answer.get("type") == "score":
                by_place = {str(place): level for place, level in enumerate(levels)}
                pairs = [(by_place.get(place), probability) for place, probability in pairs]
            _decide(decided, field, answer, pairs, levels)
    return _answer(parsed, call, request_id, decided, refused=0)


def _decide(
    decided: dict[str, Decision], field: str, answer: Mapping[str, Any], pairs: list[tuple[Any, Any]], levels: Sequence[str]
) -> None:
    """Note what the answer decides: a choice, whether a statement holds, or the likeliest level."""
    choice, sure = answer.get("choice"), answer.get("probability", answer.get("noul"))
    match answer.get("type"):
        case "predicate" | "noul" if _is_probability(sure):
            choice = YES if sure >= _EVEN else NO
            pairs = [(YES, sure), (NO, 1.0 - sure), (UNKNOWN, 0.0)]
        case "score":
            choice = _level(answer.get("score"), pairs, levels)
            pairs = [*pairs, (UNKNOWN, 0.0)]
    if isinstance(choice, str):
        decided[field] = Decision(choice, _distribution(choice, pairs))


def _level(score: Any, pairs: list[tuple[Any, Any]], levels: Sequence[str]) -> str | None:
    """Return the likeliest level, the one nearest to the mean where the probabilities cannot be read."""
    if {label for label, _ in pairs} == set(levels) and all(_is_probability(p) for _, p in pairs):
        return str(max(pairs, key=lambda pair: pair[1])[0]) if pairs else None
    if isinstance(score, int | float) and not isinstance(score, bool) and levels and 0 <= score <= len(levels) - 1:
        return levels[round(score)]
    return None


def _distribution(choice: str, rows: list[tuple[Any, Any]]) -> Mapping[str, float] | None:
    if not all(isinstance(label, str) and _is_probability(p) for label, p in rows):
        return None
    distribution = {label: float(p) for label, p in rows}
    whole = len(distribution) == len(rows) and abs(sum(distribution.values()) - 1.0) <= _TOLERANCE
    if not whole or distribution.get(choice, -1.0) < max(distribution.values()):
        return None
    return distribution


def _is_probability(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _answer(
    parsed: Mapping[str, Any], call: Call, request_id: str, decided: Mapping[str, Decision], *, refused: int
) -> Answer | Fault:
    if not decided:
        return Refused("the model refuses to decide") if refused else Broken("the route answered 200 without a decision")
    model = parsed.get("model")
    return Answer(
        content="",
        cut=False,
        tokens=(),
        usage=read_usage(parsed.get("usage")),
        model=" ".join(model.split())[:_MAX_NAME] if isinstance(model, str) else "",
        request_id=request_id,
        decided={call.refs[0]: decided},
    )
