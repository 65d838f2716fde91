"""What a route can do: found by asking, said once, and never asked for again; what it cannot is done otherwise, in order."""

import itertools
from dataclasses import replace

import orjson
import pytest

from schemas.message import Message
from schemas.reply import reply_schema
from schemas.task import Task
from schemas.verdict import SignalKind
from tests.fakes.scripted_model import ScriptedModel
from workers.allowance import Allowance, Allowances
from workers.asking.capabilities import Capabilities, Capability, spells
from workers.asking.conformity import keeps_to
from workers.asking.degrade import FORMAT
from workers.asking.model import Answer, Barred, Token, Unclear, Usage, Wire
from workers.asking.prompt import Dialect
from workers.asking.route import Route, Wishes, open_route

TASK = Task.model_validate(
    {
        "name": "tickets",
        "source": {"topic": "in", "text": "body"},
        "instructions": "Label the tickets.",
        "fields": {"intent": {"kind": "label", "labels": {"a": "", "b": ""}}, "order_id": {"kind": "extract"}},
        "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead"},
    }
)
FULL = Dialect("nano", SignalKind.BAND, temperature=0.0, reasoning_effort="none", store=False)
CHAT, BANDED = Wishes("chat"), Wishes("chat", "off")


class Picky(ScriptedModel):
    """Refuses requests with any of some parts, strays from the schema unless it stands in the prompt, or tells less."""

    def __init__(self, *refused, strays=False, tells=True, logprobs=True):
        super().__init__()
        self.refused, self.strays, self.tells, self.logprobs, self.bodies = refused, strays, tells, logprobs, []

    async def ask(self, call):
        if call.wire is not Wire.CHAT:
            return await super().ask(call)
        body = orjson.loads(call.body)
        self.bodies.append(body)
        form = body.get(FORMAT, {}).get("type")
        for part in (*body, form):
            if part in self.refused:
                return Unclear("HTTP 400", "", FORMAT if part == form else part)
        answer = await super().ask(call)
        if self.strays and form == "json_schema":
            answer = replace(answer, content=f"Of course! {answer.content}")
        if body.get("logprobs") and self.logprobs:
            text = answer.content.encode()
            answer = replace(answer, tokens=[Token(text, -0.1, [(text, -0.1)])])
        told = {"allowances": Allowances(Allowance(60.0)), "tier": "default"} if self.tells else {"usage": Usage()}
        return replace(answer, **told)


def opened(model, wishes=BANDED, known=None, dialect=FULL, task=TASK):
    numbers = itertools.count()
    more = () if known is None else (known,)
    return open_route(model, task, dialect, wishes, lambda below: next(numbers) % below, *more)


def body_of(route):
    (call,) = route.question([Message("x", "", None, None, {})]).calls
    return orjson.loads(call.body)


ALL = {
    Capability.JSON_SCHEMA,
    Capability.LOGPROBS,
    Capability.TEMPERATURE,
    Capability.REASONING_EFFORT,
    Capability.STORE,
    Capability.SERVICE_TIER,
    Capability.USAGE,
    Capability.RATE_HEADERS,
}


async def test_a_route_that_can_do_everything_is_seen_to_in_one_call():
    """What was not asked for, such as decision routes, is neither there nor lacking."""
    model = Picky()
    route = await opened(model, CHAT)
    assert (route.capabilities.has, dict(route.capabilities.lacks)) == (ALL, {})
    assert len(model.bodies) == 1


@pytest.mark.parametrize(
    ("model", "lacked"),
    [
        (Picky("temperature"), Capability.TEMPERATURE),
        (Picky("reasoning_effort"), Capability.REASONING_EFFORT),
        (Picky("store"), Capability.STORE),
        (Picky("logprobs"), Capability.LOGPROBS),
        (Picky(logprobs=False), Capability.LOGPROBS),
        (Picky("json_schema"), Capability.JSON_SCHEMA),
        (Picky(strays=True), Capability.JSON_SCHEMA),
    ],
    ids=["temperature", "effort", "store", "no logprobs", "logprobs ignored", "no schema", "schema ignored"],
)
async def test_what_a_route_lacks_is_said_in_one_sentence_and_asked_for_no_more(model, lacked):
    """Everything else is kept; another task of the same route does without from its first call."""
    route = await opened(model, CHAT)
    assert route.capabilities.has == ALL - {lacked}
    assert list(route.capabilities.lacks) == [lacked]
    assert route.capabilities.lacks[lacked]
    asked = len(model.bodies)
    again = await opened(model, CHAT, route.capabilities)
    assert len(model.bodies) == asked + 1
    assert again.capabilities == route.capabilities
    assert again.backend.prompt_hash == route.backend.prompt_hash


async def test_what_only_answers_tell_is_lacked_by_a_route_that_does_not():
    """No counts, no headers, no tier."""
    found = (await opened(Picky(tells=False))).capabilities
    assert set(found.lacks) == {Capability.USAGE, Capability.RATE_HEADERS, Capability.SERVICE_TIER}


@pytest.mark.parametrize(
    ("refused", "form"), [(["json_schema"], "json_object"), (["json_schema", "json_object"], None), ([FORMAT], None)]
)
async def test_a_schema_that_is_refused_stands_in_the_prompt(refused, form):
    """A JSON object is asked for then, or nothing of the kind; the reply is read by the same rules."""
    route = await opened(Picky(*refused))
    body = body_of(route)
    assert body.get(FORMAT, {}).get("type") == form
    assert orjson.dumps(reply_schema(TASK, SignalKind.BAND)).decode() in body["messages"][0]["content"]
    assert FORMAT not in body or "json_schema" not in body[FORMAT]


async def test_a_route_that_never_keeps_to_the_schema_is_used_and_said_to_stray():
    """It may have been a mood; what it answers is read strictly anyway."""
    model = Picky()
    model.always = lambda _items: lambda _reply: "I would rather not."
    route = await opened(model)
    assert body_of(route)[FORMAT]["type"] == "json_schema"
    assert "dead letters" in route.capabilities.lacks[Capability.JSON_SCHEMA]


@pytest.mark.parametrize("model", [Picky("json_schema"), Picky(strays=True)])
async def test_whoever_insists_on_the_schema_reads_that_there_is_none(model):
    """`on` never falls back silently."""
    found = await opened(model, Wishes("chat", "off", insisted=frozenset({FORMAT})))
    assert isinstance(found, Barred)
    assert len(model.bodies) == 1


async def test_a_forbidden_schema_is_never_asked_for():
    """`off` puts it into the prompt at once."""
    model = Picky("json_schema")
    assert isinstance(await opened(model, dialect=replace(FULL, reply="json_object")), Route)
    assert len(model.bodies) == 1


@pytest.mark.parametrize("required", [Capability.USAGE, Capability.RATE_HEADERS])
async def test_a_route_without_what_is_required_is_refused(required):
    """The sentence names the setting."""
    wishes = Wishes("chat", "off", required=frozenset({required}))
    found = await opened(Picky(tells=False), wishes)
    assert isinstance(found, Barred)
    assert f"model.{required}" in found.why
    assert isinstance(await opened(Picky(), wishes), Route)


async def test_a_decision_route_that_is_absent_is_not_asked_again():
    """Nor are log-probabilities that do not come."""
    model = Picky(logprobs=False)
    task = TASK.model_copy(update={"fields": {"intent": TASK.fields["intent"]}})
    found = (await opened(model, Wishes(), task=task)).capabilities
    assert {Capability.LOGPROBS, Capability.DECISIONS, Capability.SYSTEMONE} <= set(found.lacks)
    assert (await opened(model, Wishes(), found, task=task)).capabilities == found
    assert len(model.bodies) == 3


GOOD = [Token(b'{"r":', -0.0, []), Token(b"[]}", -0.5, [(b"[]}", -0.5)])]


@pytest.mark.parametrize(
    ("tokens", "real"),
    [
        (GOOD, True),
        ([Token(b" ", 0.0, []), *GOOD], True),
        ([], False),
        (GOOD[:1], False),
        ([Token(b'{"r":[]}', 0.0, [])], False),
        ([GOOD[0], Token(b"[]}", 0.5, [(b"[]}", 0.5)])], False),
        ([GOOD[0], Token(b"[]}", float("nan"), [(b"[]}", -0.5)])], False),
    ],
    ids=["good", "a space before", "none", "of another text", "without alternatives", "above zero", "no number"],
)
def test_log_probabilities_must_be_of_the_answer(tokens, real):
    """Routes were seen to ignore the wish, and to fill the place with something."""
    assert spells(Answer('{"r":[]}', False, tokens, Usage(), "nano", "")) is real


ROW = {"ref": "k3f9", "intent": "A", "order_id": None, "sure": "high"}


@pytest.mark.parametrize(
    ("reply", "valid"),
    [
        ({"r": [ROW]}, True),
        ({"r": []}, True),
        ({"r": [ROW | {"order_id": "17"}]}, True),
        ({"r": [ROW | {"order_id": 17}]}, False),
        ({"r": [ROW | {"intent": "a"}]}, False),
        ({"r": [ROW | {"more": 1}]}, False),
        ({"r": [{"ref": "k3f9"}]}, False),
        ({"r": ROW}, False),
        ([ROW], False),
        (None, False),
    ],
)
def test_a_reply_is_valid_or_not(reply, valid):
    """As the strict schema says it."""
    schema = reply_schema(TASK, SignalKind.BAND)
    assert keeps_to(schema, orjson.dumps(reply).decode()) is valid
    assert not keeps_to(schema, "```json\n" + orjson.dumps(reply).decode() + "\n```")


def test_capabilities_only_ever_say_one_thing():
    """What is found later counts."""
    capability = Capability.USAGE
    found = Capabilities().missed(capability, "none")
    assert (found.has, found.lacks) == (frozenset(), {capability: "none"})
    assert found.found([capability]) == Capabilities(frozenset({capability}))
    assert found.found([capability]).missed(capability, "none") == found
