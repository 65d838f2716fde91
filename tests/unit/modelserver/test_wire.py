"""Reading requests and rendering replies: whatever is asked, the tokens are the content and the content is of the schema."""

import json
import math
import random

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.context import ContextRule
from schemas.message import Context, Message, Said
from schemas.task import Task
from schemas.verdict import SignalKind
from tests.helpers import call_of
from workers.asking.prompt import Dialect, Prompt
from workers.modelserver.api_error import ApiError
from workers.modelserver.completion import Stamp, render, tokenize
from workers.modelserver.labeller import (
    Code,
    ExtractQuestion,
    ItemAnswer,
    Labelled,
    LabelQuestion,
    TextQuestion,
    Valued,
    ranked,
)
from workers.modelserver.open_call import open_pieces, read_open
from workers.modelserver.random_labeller import RandomLabeller
from workers.modelserver.strict_schema import check_schema
from workers.modelserver.triage_call import is_triage, read_triage, reply_pieces
from workers.modelserver.wire import parse_chat

MODELS = frozenset({"m"})
STAMP = Stamp("chatcmpl-1", 0, "fp_1")
TASK = Task.model_validate(
    {
        "name": "tickets",
        "source": {"topic": "in", "text": "body"},
        "instructions": "Label the tickets.\n### not_a_field (label)\nsaid in the instructions",
        "fields": {
            "intent": {
                "kind": "label",
                "description": "What he wants.",
                "labels": {f"label_{i}": f"is {i}" for i in range(30)},
            },
            "tone": {"kind": "sentiment"},
            "order_id": {"kind": "extract", "description": "Number of an order.", "pattern": "[0-9]{3,}"},
            "amount": {"kind": "extract", "type": "money"},
            "summary": {"kind": "text", "max_chars": 80},
        },
        "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead"},
    }
)
texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40), min_size=1, max_size=5)


def body_of(said, signal=SignalKind.LOGPROBS, **more):
    draw = random.Random(3).randrange
    question = call_of(Prompt(TASK, Dialect("m", signal)), [Message(text, "id", None, None, {}) for text in said], draw)
    return orjson.dumps(orjson.loads(question.body) | more)


def open_body(schema, **more):
    wrapped = {"type": "json_schema", "json_schema": {"name": "probe", "strict": True, "schema": schema}}
    return orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "response_format": wrapped} | more)


def test_the_prompt_of_the_worker_is_understood():
    """Fields, codes, descriptions and patterns are read back as the worker's prompt writes them."""
    call = parse_chat(body_of(["hello"]), MODELS)
    intent, tone, order_id, amount, summary = read_triage(call.schema, call.system, call.user).request.questions
    assert isinstance(intent, LabelQuestion)
    assert intent.description == "What he wants."
    assert intent.codes[:2] == (Code("10", "label_0", "is 0"), Code("11", "label_1", "is 1"))
    assert intent.codes[-1].label == "unknown"
    assert [code.label for code in tone.codes] == ["negative", "neutral", "positive", "unknown"]
    assert order_id == ExtractQuestion("order_id", "string", "[0-9]{3,}", "Number of an order.")
    assert amount == ExtractQuestion("amount", "money")
    assert summary == TextQuestion("summary", 80)


def test_a_context_beside_a_text_is_understood():
    """As the worker's prompt writes it; what has another shape is none."""
    told = TASK.model_copy(update={"context": ContextRule(topic="said")})
    known = Context((Said("agent", "a"), Said(None, "b")), 3, "id", 0, 0)
    messages = [Message("yes", "1", None, None, {}, context=known), Message("no", "2", None, None, {})]
    call = parse_chat(
        call_of(Prompt(told, Dialect("m", SignalKind.LOGPROBS)), messages, random.Random(3).randrange).body, MODELS
    )
    assert [item.context for item in read_triage(call.schema, call.system, call.user).request.items] == [("a", "b"), ()]
    for strange in ("a", [1, {"text": 2}, None], {"text": "a"}):
        user = orjson.dumps({"items": [{"ref": "r", "text": "x", "context": strange}]}).decode()
        assert read_triage(call.schema, call.system, user).request.items[0].context == ()


@given(texts, st.integers(0, 20), st.sampled_from(list(SignalKind)))
def test_tokens_joined_are_the_content(messages, top, signal):
    """For all texts the content is JSON of the schema, its tokens joined are the content, and each code is one token."""
    logprobs = {"logprobs": True, "top_logprobs": top}
    call = parse_chat(
        body_of(messages, signal, **logprobs) if signal is SignalKind.LOGPROBS else body_of(messages, signal), MODELS
    )
    triage = read_triage(call.schema, call.system, call.user)
    answers = RandomLabeller(1).label(triage.request)
    choice = render(call, reply_pieces(triage, answers), STAMP)["choices"][0]
    reply = json.loads(choice["message"]["content"])
    jsonschema.validate(reply, call.schema)
    assert [one["ref"] for one in reply["r"]] == [item.ref for item in triage.request.items]
    assert [one["intent"] for one in reply["r"]] == [answer.answers[0].code for answer in answers]
    if signal is SignalKind.LOGPROBS:
        tokens = choice["logprobs"]["content"]
        assert b"".join(bytes(token["bytes"]) for token in tokens).decode() == choice["message"]["content"]
        assert all(len(token["top_logprobs"]) <= top for token in tokens)
        assert sum(len(token["top_logprobs"]) > 1 for token in tokens) == (2 * len(messages) if top > 1 else 0)


@given(st.integers(1, 60))
def test_a_cut_answer_is_a_prefix(most):
    """An answer cut at a number of tokens is the beginning of the whole answer, and says that it is cut."""
    whole = parse_chat(body_of(["one", "two"]), MODELS)
    cut = parse_chat(body_of(["one", "two"], max_completion_tokens=most), MODELS)
    triage = read_triage(whole.schema, whole.system, whole.user)
    pieces = reply_pieces(triage, RandomLabeller(1).label(triage.request))
    total = len(tokenize(pieces))
    (full,), (short,) = render(whole, pieces, STAMP)["choices"], render(cut, pieces, STAMP)["choices"]
    assert full["message"]["content"].startswith(short["message"]["content"])
    assert short["finish_reason"] == ("length" if most < total else "stop")
    assert len(short["logprobs"]["content"]) == min(most, total)


def test_alternatives_are_ordered_and_honest():
    """The log-probabilities at a code are those of the labeller, the chosen code first."""
    call = parse_chat(body_of(["one"], top_logprobs=3), MODELS)
    triage = read_triage(call.schema, call.system, call.user)
    probabilities = {"11": 0.7, "10": 0.2} | dict.fromkeys(map(str, range(12, 22)), 0.01)
    answers = [Labelled("intent", ranked(probabilities)), Labelled("tone", (("N", 1.0),))]
    answers += [Valued("order_id", None), Valued("amount", "£5"), Valued("summary", None)]
    (choice,) = render(call, reply_pieces(triage, [ItemAnswer("r", tuple(answers))]), STAMP)["choices"]
    (token,) = (token for token in choice["logprobs"]["content"] if token["token"] == "11")
    alternatives = [(one["token"], round(math.exp(one["logprob"]), 6)) for one in token["top_logprobs"]]
    assert alternatives == [("11", 0.7), ("10", 0.2), ("12", 0.01)]


def strict_object(properties):
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


scalars = st.sampled_from(["string", "integer", "number", "boolean", "null"]).map(lambda kind: {"type": kind})
enums = st.lists(
    st.one_of(st.text(max_size=5), st.integers(), st.none(), st.booleans()), min_size=1, max_size=4, unique_by=repr
).map(lambda values: {"enum": values})
nodes = st.recursive(
    st.one_of(scalars, enums),
    lambda inner: st.one_of(
        inner.map(lambda node: {"type": "array", "items": node}),
        inner.map(lambda node: {"anyOf": [node, {"type": "null"}]}),
        st.dictionaries(st.text(max_size=6), inner, max_size=3).map(strict_object),
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=6), nodes, max_size=4).map(strict_object))
def test_any_strict_schema_gets_a_reply_of_it(schema):
    """Schemas that are not the worker's are answered with JSON of theirs, too."""
    try:
        encoded = open_body(schema)
    except orjson.JSONEncodeError:  # an integer beyond 64 bits or a lone surrogate cannot be sent
        return
    call = parse_chat(encoded, MODELS)
    asked = read_open(call.schema, call.user)
    (answer,) = RandomLabeller(2).label(asked.request)
    (choice,) = render(call, open_pieces(asked, answer), STAMP)["choices"]
    jsonschema.validate(json.loads(choice["message"]["content"]), schema)


def test_equal_names_of_fields_do_not_mix():
    """Two enums are two questions, also when a property's name looks like the path of another."""
    inner = strict_object({"b": {"enum": ["x"]}})
    call = parse_chat(open_body(strict_object({"a.b": {"enum": ["y"]}, "a": inner, "b": inner})), MODELS)
    asked = read_open(call.schema, call.user)
    assert len({question.name for question in asked.request.questions}) == 3


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"model": "gpt-6"}, 404, "model_not_found"),
        ({"model": None}, 400, "missing_required_parameter"),
        ({"messages": []}, 400, "missing_required_parameter"),
        ({"messages": [{"role": "user", "content": 3}]}, 400, "invalid_type"),
        ({"messages": [{"role": "user", "content": "x" * 600_000}]}, 400, "context_length_exceeded"),
        ({"response_format": {"type": "text"}}, 400, "unsupported_value"),
        ({"stream": True}, 400, "unsupported_value"),
        ({"n": 2}, 400, "unsupported_value"),
        ({"reasoning_effort": "high"}, 400, "unsupported_value"),
        ({"top_logprobs": 21}, 400, "invalid_value"),
        ({"logprobs": False, "top_logprobs": 2}, 400, "invalid_value"),
        ({"max_completion_tokens": 0}, 400, "invalid_value"),
        ({"temperature": 3}, 400, "invalid_value"),
        ({"tools": []}, 400, "unknown_parameter"),
    ],
)
def test_a_wrong_request_is_refused(change, status, code):
    """What cannot be answered is refused with OpenAI's status and code, and names the parameter."""
    with pytest.raises(ApiError) as refused:
        parse_chat(body_of(["one"], **change), MODELS)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert refused.value.param is not None


@given(st.binary(max_size=60) | st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5), lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(["model", "messages", "role", "content", "response_format", "type", "json_schema"]), x, max_size=4), max_leaves=8).map(orjson.dumps))  # fmt: skip
def test_no_body_can_crash_the_parser(body):
    """Any bytes at all are a call or an ApiError."""
    with pytest.raises(ApiError):
        parse_chat(body, MODELS)


@pytest.mark.parametrize("user", ["plain text", "[]", '{"items": []}', '{"items": [{"ref": 1, "text": "x"}]}'])
def test_items_must_be_there(user):
    """A triage schema without items in the user message is refused, not answered with nothing."""
    call = parse_chat(body_of(["one"]), MODELS)
    assert is_triage(call.schema)
    with pytest.raises(ApiError):
        read_triage(call.schema, call.system, user)


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {"type": "array", "items": {"type": "string"}},
        {"type": "object"},
        strict_object({"a": {"type": "colour"}}),
        strict_object({"a": {"$ref": "#"}}),
        strict_object({"a": {"enum": []}}),
        strict_object({"a": {"type": "array"}}),
        strict_object({"a": {"type": "string"}}) | {"required": []},
        strict_object({}) | {"additionalProperties": True},
    ],
)
def test_schemas_outside_the_subset_are_refused(schema):
    """A schema that strict mode does not know is refused with the code providers use."""
    with pytest.raises(ApiError) as refused:
        check_schema(schema)
    assert refused.value.code == "invalid_json_schema"
