"""What the fake model answers on the decisions route: pure, and the same for the same text. The shapes are the openai package's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from tests.fakes.model_replies import BYTES_PER_TOKEN, Codes, Usage, code_of

_SURE = 0.95


@dataclass(frozen=True, slots=True)
class Decisions:
    """A request: one text and the questions about it."""

    model: str
    text: str
    questions: Sequence[Mapping[str, Any]]
    usage: Usage


def read_decisions(body: bytes) -> Decisions:
    """Read a request. Raises KeyError, TypeError or ValueError for any other."""
    request = orjson.loads(body)
    given = request["input"]
    text = given if isinstance(given, str) else given[-1]["content"]
    if not isinstance(text, str) or not request["questions"]:
        raise ValueError("it takes a text and a question")
    return Decisions(request["model"], text, request["questions"], Usage(-(-len(body) // BYTES_PER_TOKEN), 0))


def decided(asked: Decisions, rule: Codes) -> bytes:
    """Return the response's bytes. Raises KeyError for a question of no known kind."""
    usage = {
        "input_tokens": asked.usage.prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": asked.usage.total,
    }
    answers = [_ANSWERS[question["type"]](question, asked.text, rule) for question in asked.questions]
    return orjson.dumps({"answers": answers, "model": asked.model, "usage": usage})


def _predicate(question: Mapping[str, Any], text: str, rule: Codes) -> dict[str, Any]:
    says = code_of(text, ("yes", "no", "last"), rule)
    return {"type": "predicate", "name": question.get("name"), "probability": _SURE if says == "yes" else 1 - _SURE}


def _choice(question: Mapping[str, Any], text: str, rule: Codes) -> dict[str, Any]:
    values = [choice["value"] for choice in question["choices"]]
    shares, best = _shares(values, text, rule)
    pairs = [{"value": value, "probability": share} for value, share in zip(values, shares, strict=True)]
    common = {"type": "choice", "name": question.get("name"), "confidence": max(shares)}
    return {**common, "choice": values[best], "probabilities": pairs}


def _score(question: Mapping[str, Any], text: str, rule: Codes) -> dict[str, Any]:
    labels = [level["label"] for level in question["levels"]]
    shares, _ = _shares(labels, text, rule)
    rows = [{"label": label, "value": n, "probability": p} for n, (label, p) in enumerate(zip(labels, shares, strict=True))]
    mean = sum(n * share for n, share in enumerate(shares))
    common = {"type": "score", "name": question.get("name"), "confidence": max(shares)}
    return {**common, "score": mean, "probabilities": rows}


_ANSWERS = {"predicate": _predicate, "choice": _choice, "score": _score}


def _shares(values: Sequence[Any], text: str, rule: Codes) -> tuple[list[float], int]:
    places = [str(place) for place in range(len(values))]
    best = int(code_of(text, places, rule))
    rest = (1 - _SURE) / max(1, len(values) - 1)
    return [_SURE if place == best else rest for place in range(len(values))], best
