"""Routes: the signal is settled by asking, and a harmless question tells whose fault a refusal is."""

import itertools

import orjson
import pytest

from schemas.message import Message
from schemas.task import Task
from schemas.verdict import SignalKind
from tests.fakes.scripted_model import ScriptedModel
from workers.asking.model import Answer, Barred, Broken, Refused, Token, TooBig, TryAgain, Unclear, Wire
from workers.asking.prompt import Dialect, Prompt
from workers.asking.route import Route, Wishes, open_route

TASK = Task.model_validate(
    {
        "name": "tickets",
        "source": {"topic": "in", "text": "body"},
        "instructions": "Label the tickets.",
        "fields": {"intent": {"kind": "label", "labels": {"a": "", "b": ""}}},
        "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead"},
    }
)
DIALECT = Dialect("nano", SignalKind.BAND)


class Probed(ScriptedModel):
    """A scripted model that gives log-probabilities, ignores the wish, or refuses it; `asked_logprobs` says what was wished."""

    def __init__(self, logprobs="given"):
        super().__init__()
        self.logprobs = logprobs
        self.asked_logprobs = []

    async def ask(self, call):
        if call.wire is not Wire.CHAT:
            return await super().ask(call)
        wished = orjson.loads(call.body).get("logprobs", False)
        self.asked_logprobs.append(wished)
        if wished and self.logprobs == "refused":
            return Unclear("HTTP 400 unsupported_parameter", "logprobs is not supported", "logprobs")
        answer = await super().ask(call)
        if wished and self.logprobs == "given" and isinstance(answer, Answer):
            text = answer.content.encode()
            return Answer(answer.content, False, [Token(text, 0.0, [(text, 0.0)])], answer.usage, answer.model, "")
        return answer


def counting():
    numbers = itertools.count()
    return lambda below: next(numbers) % below


def opened(model, logprobs):
    return open_route(model, TASK, DIALECT, Wishes(logprobs=logprobs), counting())


@pytest.mark.parametrize(
    ("logprobs", "route", "signal", "calls"),
    [
        ("auto", "given", SignalKind.LOGPROBS, [True]),
        ("auto", "ignored", SignalKind.BAND, [True, False]),
        ("auto", "refused", SignalKind.BAND, [True, False]),
        ("on", "given", SignalKind.LOGPROBS, [True]),
        ("off", "given", SignalKind.BAND, [False]),
        ("off", "refused", SignalKind.BAND, [False]),
    ],
)
async def test_the_signal_is_what_the_route_really_gives(logprobs, route, signal, calls):
    """`auto` takes log-probabilities where they come, and the stated band where the wish is ignored or refused."""
    model = Probed(route)
    found = await opened(model, logprobs)
    assert isinstance(found, Route)
    assert found.backend.signal is signal
    (call,) = found.question([Message("x", "", None, None, {})]).calls
    assert ("logprobs" in orjson.loads(call.body)) == (signal is SignalKind.LOGPROBS)
    assert model.asked_logprobs == calls


@pytest.mark.parametrize("route", ["ignored", "refused"])
async def test_insisting_on_logprobs_bars_a_route_without(route):
    """`on` never falls back silently; the sentence says what to set."""
    model = Probed(route)
    found = await opened(model, "on")
    assert isinstance(found, Barred)
    assert "logprobs" in found.why
    assert model.asked_logprobs == [True]


@pytest.mark.parametrize("fault", [TryAgain("down"), Broken("no choice"), Refused("no"), TooBig("long")])
async def test_a_fault_at_the_probe_is_no_statement_about_the_signal(fault):
    """An outage at start must not turn log-probabilities off for the whole run."""
    model = Probed()
    model.script = [fault]
    assert await opened(model, "auto") == fault
    assert model.asked_logprobs == [True]


async def test_a_bad_key_bars_whatever_the_signal():
    """The operator reads the provider's sentence."""
    model = Probed()
    model.always = lambda _: Barred("bad key")
    assert await opened(model, "auto") == Barred("bad key")


async def test_a_set_up_that_even_a_harmless_question_meets_refused_is_barred_with_the_providers_words():
    """The provider's sentence is about our request then, and quotes nobody."""
    model = Probed()
    model.always = lambda _: Unclear("HTTP 400", "unknown parameter: store")
    found = await opened(model, "auto")
    assert isinstance(found, Barred)
    assert "unknown parameter: store" in found.why


class Fussy(ScriptedModel):
    """A scripted model that refuses options, and names the first one it meets or does not."""

    def __init__(self, refused, *, names):
        super().__init__()
        self.refused, self.names, self.bodies = refused, names, []

    async def ask(self, call):
        body = orjson.loads(call.body)
        self.bodies.append(body)
        met = next((option for option in self.refused if option in body), None)
        if met is None:
            return await super().ask(call)
        if self.names == "in its sentence":
            return Unclear("HTTP 400", f"Unsupported parameter: '{met}' cannot be used with this model.", "")
        return Unclear(
            "HTTP 400 unsupported_value", f"{met if self.names else 'that'} is not supported", met if self.names else ""
        )


FULL = Dialect("nano", SignalKind.BAND, temperature=0.0, reasoning_effort="none", store=False)
OPTIONS = {"reasoning_effort", "store", "temperature"}


@pytest.mark.parametrize(
    ("refused", "names", "left", "calls"),
    [
        ([], True, OPTIONS, 1),
        (["temperature"], True, OPTIONS - {"temperature"}, 2),
        (["temperature"], "in its sentence", OPTIONS - {"temperature"}, 2),
        (["reasoning_effort", "store"], True, {"temperature"}, 3),
        (["reasoning_effort"], False, OPTIONS - {"reasoning_effort"}, 2),
        (["temperature"], False, set(), 4),
    ],
)
async def test_options_that_a_route_refuses_are_left_out(refused, names, left, calls):
    """Just those it names, else one more each time, the likeliest first; questions later go without them."""
    model = Fussy(refused, names=names)
    found = await open_route(model, TASK, FULL, Wishes("chat", "off"), counting())
    assert isinstance(found, Route)
    assert len(model.bodies) == calls
    (call,) = found.question([Message("x", "", None, None, {})]).calls
    assert OPTIONS & orjson.loads(call.body).keys() == left


async def test_an_option_that_the_operator_set_is_never_left_out():
    """He reads the refusal, and the other options are tried without in vain."""
    model = Fussy(["reasoning_effort"], names=True)
    found = await open_route(model, TASK, FULL, Wishes("chat", "off", None, frozenset({"reasoning_effort"})), counting())
    assert isinstance(found, Barred)
    assert "reasoning_effort is not supported" in found.why
    assert len(model.bodies) == 1


def route_on(model):
    return Route(model, Prompt(TASK, DIALECT), counting())


def question_of(route, text="my secret"):
    return route.question([Message(text, "", None, None, {})])


async def test_a_refused_request_is_the_texts_fault_when_a_harmless_one_is_answered():
    """The part is halved then, and the provider's sentence goes no further."""
    model = ScriptedModel()
    model.script = [Unclear("HTTP 400", "my secret is not allowed")]
    route = route_on(model)
    assert await route.ask(question_of(route)) == Broken("HTTP 400")
    assert len(model.texts) == 2
    assert model.texts[1] != ["my secret"]


async def test_a_refused_request_is_the_set_ups_fault_when_a_harmless_one_is_refused_too():
    """Nothing will fare better, so the intake stops, and the harmless question's sentence says why."""
    model = ScriptedModel()
    model.script = [Unclear("HTTP 400", "my secret"), Unclear("HTTP 403", "wrong region")]
    route = route_on(model)
    result = await route.ask(question_of(route))
    assert isinstance(result, Barred)
    assert "HTTP 403: wrong region" in result.why
    assert "my secret" not in result.why


@pytest.mark.parametrize("fault", [TryAgain("down", 9.0), Barred("quota"), Broken("x"), Refused("x"), TooBig("x")])
async def test_a_probe_that_fails_in_its_own_way_decides(fault):
    """Nothing is known of the text then: an outage waits, a spent quota stops."""
    model = ScriptedModel()
    model.script = [Unclear("HTTP 400", ""), fault]
    route = route_on(model)
    assert await route.ask(question_of(route)) == fault


@pytest.mark.parametrize("fault", [TryAgain("down"), Barred("quota"), Broken("x"), Refused("x"), TooBig("x")])
async def test_clear_faults_and_answers_cost_one_call(fault):
    """Only what is unclear is looked into."""
    model = ScriptedModel()
    model.script = [fault]
    route = route_on(model)
    assert await route.ask(question_of(route)) == fault
    assert isinstance(await route.ask(question_of(route)), Answer)
    assert len(model.texts) == 2


async def test_the_probe_asks_one_harmless_question():
    """It shows no message to anybody."""
    model = ScriptedModel()
    assert isinstance(await route_on(model).probe(), Answer)
    ((text,),) = model.texts
    assert "secret" not in text
