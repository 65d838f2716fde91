"""The decisions route: questions about one input, answered with probabilities and nothing to parse. Pure but for the labeller.

The shapes are those of `client.decisions` in the openai package. A predicate is as probable as the input is like its statement;
a choice is a label question; a score is the mean level under the levels' probabilities. Choices that are the labels of a task
use what was learned for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.fields import UNKNOWN
from workers.modelserver.api_error import ApiError, invalid
from workers.modelserver.labeller import Code, Item, ItemAnswer, Labelled, LabelQuestion, ParsedRequest
from workers.modelserver.wire import CHARS_PER_TOKEN, CONTEXT_TOKENS, parse_model, parse_object, text_of

_MOST_QUESTIONS = 400
_CHOICES = range(2, 256)
_LEVELS = range(2, 256)
_KINDS = ("predicate", "choice", "score")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question as it came: its kind, its name if it has one, and the values its codes stand for, in order."""

    kind: str
    name: str | None
    values: tuple[str | bool, ...]


@dataclass(frozen=True, slots=True)
class DecisionCall:
    """What is asked of the labeller, and what the caller wants to hear."""

    model: str
    asked: tuple[Asked, ...]
    request: ParsedRequest
    input_tokens: int


def parse_decisions(body: bytes, models: frozenset[str]) -> DecisionCall:
    """Return the call. Raises ApiError as `parse_chat` does."""
    request = parse_object(body)
    model = parse_model(request, models)
    text = _input_text(request.get("input"))
    questions = request.get("questions")
    if not isinstance(questions, list) or not 1 <= len(questions) <= _MOST_QUESTIONS:
        raise invalid(f"questions must be a list of 1 to {_MOST_QUESTIONS} questions.", "questions")
    parsed = [_question(question, f"questions[{index}]") for index, question in enumerate(questions)]
    return decision_call(model, text, parsed, "input")


def decision_call(model: str, text: str, parsed: Sequence[tuple[Asked, LabelQuestion]], param: str) -> DecisionCall:
    """Return the call about one text. Raises ApiError 400 when the text, which the caller named `param`, is too long."""
    tokens = -(-len(text) // CHARS_PER_TOKEN)
    if tokens > CONTEXT_TOKENS:
        message = f"This model's maximum context length is {CONTEXT_TOKENS} tokens, but the {param} has about {tokens}."
        raise ApiError(400, message, code="context_length_exceeded", param=param)
    asked = tuple(one for one, _ in parsed)
    return DecisionCall(model, asked, ParsedRequest(tuple(two for _, two in parsed), (Item("", text),)), tokens)


def render_decisions(call: DecisionCall, answer: ItemAnswer) -> dict[str, Any]:
    """Return the body of the response."""
    labelled = [one for one in answer.answers if isinstance(one, Labelled)]
    answers = [_answer(asked, one) for asked, one in zip(call.asked, labelled, strict=True)]
    usage = {
        "input_tokens": call.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": call.input_tokens,
    }
    return {"answers": answers, "model": call.model, "usage": usage}


def _answer(asked: Asked, labelled: Labelled) -> dict[str, Any]:
    by_code = dict(labelled.distribution)
    probabilities = [by_code[str(index)] for index in range(len(asked.values))]
    if asked.kind == "predicate":
        return {"type": "predicate", "name": asked.name, "probability": probabilities[0]}
    best = max(range(len(probabilities)), key=lambda index: probabilities[index])
    common = {"type": asked.kind, "name": asked.name, "confidence": probabilities[best]}
    if asked.kind == "choice":
        pairs = zip(asked.values, probabilities, strict=True)
        return {
            **common,
            "choice": asked.values[best],
            "probabilities": [{"value": value, "probability": probability} for value, probability in pairs],
        }
    levels = [
        {"label": label, "value": index, "probability": probability}
        for index, (label, probability) in enumerate(zip(asked.values, probabilities, strict=True))
    ]
    return {**common, "score": sum(index * p for index, p in enumerate(probabilities)), "probabilities": levels}


def _question(question: Any, where: str) -> tuple[Asked, LabelQuestion]:
    kind = question.get("type") if isinstance(question, dict) else None
    if kind not in _KINDS:
        raise invalid(f"{where}.type must be one of {', '.join(_KINDS)}.", f"{where}.type")
    name = question.get("name")
    if not isinstance(name, str | None):
        raise invalid(f"{where}.name must be a string.", f"{where}.name", "invalid_type")
    instructions = text_of(question.get("instructions"), f"{where}.instructions")
    if kind == "predicate":
        options: Sequence[tuple[str | bool, str]] = ((True, ""), (False, ""))
        codes: tuple[Code, ...] = (Code("0", instructions), Code("1", UNKNOWN))
    else:
        options = _choices(question, where) if kind == "choice" else _levels(question, where)
        codes = tuple(Code(str(index), str(value), text) for index, (value, text) in enumerate(options))
    return Asked(kind, name, tuple(value for value, _ in options)), LabelQuestion(name or "decision", codes, instructions)


def _choices(question: Mapping[str, Any], where: str) -> list[tuple[str | bool, str]]:
    choices = question.get("choices")
    if not isinstance(choices, list) or len(choices) not in _CHOICES:
        raise invalid(f"{where}.choices must be a list of 2 to 255 choices.", f"{where}.choices")
    if not all(isinstance(one, dict) and isinstance(one.get("value"), str | bool) for one in choices):
        raise invalid(f"{where}.choices must be objects with a value, a string or true or false.", f"{where}.choices")
    if len({str(one["value"]) for one in choices}) < len(choices):
        raise invalid(f"{where}.choices must be unique.", f"{where}.choices")
    return [(one["value"], str(one.get("description") or "")) for one in choices]


def _levels(question: Mapping[str, Any], where: str) -> list[tuple[str | bool, str]]:
    levels = question.get("levels")
    if not isinstance(levels, list) or len(levels) not in _LEVELS:
        raise invalid(f"{where}.levels must be a list of 2 to 255 levels.", f"{where}.levels")
    if not all(isinstance(one, dict) and isinstance(one.get("label"), str) for one in levels):
        raise invalid(f"{where}.levels must be objects with a label.", f"{where}.levels")
    if len({one["label"] for one in levels}) < len(levels):
        raise invalid(f"{where}.levels must be unique.", f"{where}.levels")
    return [(one["label"], str(one.get("description") or "")) for one in levels]


def _input_text(given: Any) -> str:
    """Return the text to judge: the input itself, or the user messages in it."""
    if isinstance(given, str) and given:
        return given
    if isinstance(given, list) and given:
        users = [message for message in given if isinstance(message, dict) and message.get("role") == "user"]
        texts = [text_of(message.get("content"), "input") for message in users]
        if texts:
            return "\n".join(texts)
    raise invalid("input must be a text, or a list of messages with one by the user.", "input", "missing_required_parameter")
