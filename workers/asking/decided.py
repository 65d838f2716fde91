"""What the answer of a decision route says, on either wire. Pure.

A decision is believed as far as it is whole: a label, and the probability of every choice. A distribution that does not add
up to one, that lacks its own choice or that another choice leads is left out (None), never repaired; the label stays.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.verdict import Decision
from workers.asking.model import Answer, Broken, Call, Fault, Refused
from workers.asking.usage import read_usage

_TOLERANCE = 0.02  # probabilities are rounded on some wires
_MAX_NAME = 200


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
        pairs = [(r.get("value"), r.get("probability")) for r in rows if isinstance(r, dict)] if isinstance(rows, list) else []
        _decide(decided, field, answer.get("choice"), pairs)
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
            rows = answer.get("probabilities")
            _decide(decided, field, answer.get("choice"), rows.items() if isinstance(rows, dict) else ())
    return _answer(parsed, call, request_id, decided, refused=0)


def _decide(decided: dict[str, Decision], field: str, choice: Any, rows: Iterable[tuple[Any, Any]]) -> None:
    if isinstance(choice, str):
        decided[field] = Decision(choice, _distribution(choice, list(rows)))


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
