"""The System One route: the decisions of `workers.modelserver.decisions` in the open format. Pure.

A state and questions by name; types choice, noul (yes or no) and score. As vLLM, Ollama and LiteLLM speak it, with the limits
of the decisions route.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from schemas.fields import UNKNOWN
from workers.modelserver.api_error import invalid
from workers.modelserver.decisions import Asked, DecisionCall, decision_call
from workers.modelserver.labeller import Code, ItemAnswer, Labelled, LabelQuestion
from workers.modelserver.wire import parse_model, parse_object, text_of

_MOST_QUESTIONS = 400
_OPTIONS = range(2, 256)
_KINDS = ("choice", "noul", "score")


def parse_systemone(body: bytes, models: frozenset[str]) -> DecisionCall:
    """Return the call. Raises ApiError as `parse_chat` does."""
    request = parse_object(body)
    model = parse_model(request, models)
    state = request.get("state")
    if not state:
        raise invalid("state must be a text, an object or a list.", "state", "missing_required_parameter")
    questions = request.get("questions")
    if not isinstance(questions, dict) or not 1 <= len(questions) <= _MOST_QUESTIONS:
        raise invalid(f"questions must be an object of 1 to {_MOST_QUESTIONS} questions by name.", "questions")
    parsed = [_question(name, question) for name, question in questions.items()]
    return decision_call(model, state if isinstance(state, str) else orjson.dumps(state).decode(), parsed, "state")


def render_systemone(call: DecisionCall, answer: ItemAnswer) -> dict[str, Any]:
    """Return the body of the response."""
    labelled = [one for one in answer.answers if isinstance(one, Labelled)]
    answers = {str(asked.name): _answer(asked, one) for asked, one in zip(call.asked, labelled, strict=True)}
    return {"model": call.model, "answers": answers, "usage": {"input_tokens": call.input_tokens, "output_tokens": 0}}


def _answer(asked: Asked, labelled: Labelled) -> dict[str, Any]:
    by_code = dict(labelled.distribution)
    probabilities = [by_code[str(index)] for index in range(len(asked.values))]
    best = max(range(len(probabilities)), key=lambda index: probabilities[index])
    common = {"type": asked.kind, "confidence": probabilities[best]}
    match asked.kind:
        case "noul":
            return {**common, "noul": probabilities[0], "probabilities": {"yes": probabilities[0], "no": probabilities[1]}}
        case "choice":
            return {
                **common,
                "choice": asked.values[best],
                "probabilities": dict(zip(asked.values, probabilities, strict=True)),
            }
        case _:
            return {
                **common,
                "score": sum(index * p for index, p in enumerate(probabilities)),
                "legend": {str(index): value for index, value in enumerate(asked.values)},
                "probabilities": {str(index): p for index, p in enumerate(probabilities)},
            }


def _question(name: str, question: Any) -> tuple[Asked, LabelQuestion]:
    where = f"questions.{name[:100]}"
    kind = question.get("type") if isinstance(question, dict) else None
    if kind not in _KINDS or not name:
        raise invalid(f"{where}.type must be one of {', '.join(_KINDS)}.", f"{where}.type")
    instructions = text_of(question.get("instructions"), f"{where}.instructions")
    criteria = question.get("criteria")
    if kind == "noul":
        codes: tuple[Code, ...] = (Code("0", instructions), Code("1", UNKNOWN))
        return Asked(kind, name, ("yes", "no")), LabelQuestion(name, codes, instructions)
    options = _choices(criteria, f"{where}.criteria") if kind == "choice" else _levels(criteria, f"{where}.criteria")
    codes = tuple(Code(str(index), value, text) for index, (value, text) in enumerate(options))
    return Asked(kind, name, tuple(value for value, _ in options)), LabelQuestion(name, codes, instructions)


def _choices(criteria: Any, where: str) -> Sequence[tuple[str, str]]:
    if not isinstance(criteria, dict) or len(criteria) not in _OPTIONS:
        raise invalid(f"{where} must be an object of 2 to 255 options by name.", where)
    return [(str(value), str(text or "")) for value, text in criteria.items()]


def _levels(criteria: Any, where: str) -> Sequence[tuple[str, str]]:
    if not isinstance(criteria, list) or len(criteria) not in _OPTIONS:
        raise invalid(f"{where} must be a list of 2 to 255 levels.", where)
    if not all(isinstance(level, str) for level in criteria) or len(set(criteria)) < len(criteria):
        raise invalid(f"{where} must be different texts.", where)
    return [(level, "") for level in criteria]
