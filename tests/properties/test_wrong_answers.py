"""A 200 can be wrong in any way: what is mutated in a good body is a fault, an unread message or a verdict, never an exception."""

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given, settings

from schemas.message import Message
from schemas.reply import code_books
from schemas.task import Task
from schemas.verdict import Escalated, Labelled, SignalKind
from workers.asking.backends import decision_backend
from workers.asking.classify import classify
from workers.asking.joining import join
from workers.asking.model import Answer, Barred, Broken, Question, Refused, TooBig, TryAgain, Unclear, Wire
from workers.asking.prompt import Dialect, Prompt
from workers.judging.answers import DecidedReader, WrittenReader
from workers.judging.confidence import Scorer
from workers.judging.reading import Read, Reader
from workers.judging.verdicts import Judge, UserCode

TASK = Task.model_validate(
    {
        "name": "tickets",
        "source": {"topic": "in", "text": "body"},
        "instructions": "Label the tickets.",
        "fields": {
            "intent": {"kind": "label", "labels": {"cancel": "", "track": ""}},
            "amount": {"kind": "extract", "type": "money"},
        },
        "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead"},
    }
)
REFS = ("k3f9", "p2m7")
TEXT = "Please cancel, I paid 20.50 EUR"
MESSAGES = [Message(TEXT, "", None, None, {})] * 2
BOOKS = code_books(TASK)
CHAT = Dialect("nano", SignalKind.LOGPROBS)
WHOLE = {"cancel": 0.75, "track": 0.2, "unknown": 0.05}
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
NOISE = st.recursive(
    SCALARS | st.text(max_size=8),
    lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=4), c, max_size=3),
    max_leaves=5,
)


def completion(call):
    fields = [name for name in ("intent", "amount") if f'"{name}"'.encode() in call.body]
    pieces = ['{"r":[']
    for place, ref in enumerate(REFS):
        pieces.append(f'{"," * (place > 0)}{{"ref":"{ref}"')
        pieces += [',"intent":"', "A", '"'] if "intent" in fields else []
        pieces.append(',"amount":"20.50 EUR"}')
    pieces.append("]}")
    tokens = [
        {"token": p, "logprob": 0.0, "bytes": list(p.encode()), "top_logprobs": [{"token": p, "logprob": 0.0}]} for p in pieces
    ]
    choice = {
        "message": {"content": "".join(pieces), "refusal": None},
        "finish_reason": "stop",
        "logprobs": {"content": tokens},
    }
    return {"id": "c", "model": "nano", "choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 9}}


def decision(call):
    if call.wire is Wire.SYSTEMONE:
        answers = {"intent": {"type": "choice", "choice": "cancel", "probabilities": dict(WHOLE)}}
    else:
        rows = [{"value": label, "probability": p} for label, p in WHOLE.items()]
        answers = [{"type": "choice", "name": "intent", "choice": "cancel", "confidence": 0.75, "probabilities": rows}]
    return {"model": "luna", "answers": answers, "usage": {"input_tokens": 9, "output_tokens": 0}}


def paths(node, above=()):
    yield above
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from paths(child, (*above, key))


def mutated(data, body):
    """Replace, remove or double one part of the body, or spoil its bytes."""
    where = data.draw(st.sampled_from(list(paths(body))))
    if not where:
        return orjson.dumps(data.draw(NOISE))
    parent = body
    for key in where[:-1]:
        parent = parent[key]
    match data.draw(st.sampled_from(["replace", "remove", "double", "cut", "inside"])):
        case "remove":
            del parent[where[-1]]
        case "double" if isinstance(parent, list):
            parent.append(parent[where[-1]])
        case "inside" if isinstance(text := parent[where[-1]], str) and text:
            place = data.draw(st.integers(0, len(text) - 1))
            parent[where[-1]] = text[:place] + data.draw(st.text(max_size=3)) + text[place + data.draw(st.integers(0, 3)) :]
        case "cut":
            raw = orjson.dumps(body)
            return raw[: data.draw(st.integers(0, len(raw) - 1))]
        case _:
            parent[where[-1]] = data.draw(NOISE)
    return orjson.dumps(body)


BACKENDS = {
    "chat": (Prompt(TASK, CHAT), WrittenReader(Reader(BOOKS, ["amount"], banded=False), Scorer(BOOKS))),
    **{
        wire.name.lower(): (
            decision_backend(TASK, Dialect("nano", SignalKind.BAND), "luna", wire),
            DecidedReader(BOOKS, Reader({}, ["amount"], banded=False)),
        )
        for wire in (Wire.DECISIONS, Wire.SYSTEMONE)
    },
}


def outcome(backend, reader, spoil):
    """Return what becomes of two messages; `spoil(n, body)` gives the bytes that call n is answered with."""
    calls = backend.calls(MESSAGES, REFS)
    bodies = [completion(call) if call.wire is Wire.CHAT else decision(call) for call in calls]
    results = [classify(200, {}, spoil(n, body), 0.0, call) for n, (call, body) in enumerate(zip(calls, bodies, strict=True))]
    result = join(Question(calls, REFS), results)
    if not isinstance(result, Answer):
        assert isinstance(result, TryAgain | TooBig | Refused | Broken | Barred | Unclear)
        return result
    readings = reader.read(result, REFS)
    assert len(readings) == len(REFS)
    judge = Judge(TASK, UserCode())
    return [judge.judge(TEXT, r, r.signals) if isinstance(r, Read) else r for r in readings]


@pytest.mark.parametrize("name", BACKENDS)
def test_the_unspoilt_answer_is_read_and_accepted(name):
    """The fuzz starts from something good."""
    verdicts = outcome(*BACKENDS[name], lambda _, body: orjson.dumps(body))
    assert all(isinstance(verdict, Labelled) for verdict in verdicts)


@settings(max_examples=300)
@given(st.sampled_from(sorted(BACKENDS)), st.data())
def test_no_mutation_of_a_good_answer_raises(name, data):
    """On every wire, through classifying, joining, reading and judging; a message of an intact call keeps its own label."""
    backend, reader = BACKENDS[name]
    spoilt = data.draw(st.integers(0, len(backend.calls(MESSAGES, REFS)) - 1))
    result = outcome(backend, reader, lambda n, body: mutated(data, body) if n == spoilt else orjson.dumps(body))
    if isinstance(result, list):
        for verdict in result:
            if isinstance(verdict, Labelled | Escalated):
                assert verdict.fields["intent"].value in ("cancel", "track", None)
