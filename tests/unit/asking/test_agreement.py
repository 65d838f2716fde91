"""Agreement: each message is asked about again, alone and with its labels in another order; how many agree is its confidence."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from schemas.message import Message
from schemas.task import Task
from schemas.verdict import Confidence, Doubt, Escalated, Labelled, NotScored, SignalKind
from tests.fakes.scripted_model import ScriptedModel
from workers.asking.agreement import accepts_agreement, permuted
from workers.asking.model import Answer, Barred, TryAgain, Usage
from workers.asking.prompt import Dialect
from workers.asking.route import Route, Wishes, open_route
from workers.judging.reading import Read, Unread
from workers.judging.verdicts import Judge, UserCode
from workers.wiring.lines import reader_of

RAW: dict[str, Any] = {
    "name": "tickets",
    "source": {"topic": "in", "text": "body"},
    "instructions": "Label the tickets.",
    "fields": {
        "intent": {"kind": "label", "labels": {"pay": "wants to pay", "cancel": "wants out", "track": "asks where"}},
        "mood": {"kind": "sentiment"},
        "order": {"kind": "extract"},
    },
    "thresholds": {"agreement": 0.6},
    "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead"},
}
TASK = Task.model_validate(RAW)


class Reads(ScriptedModel):
    """A model that reads the prompt: `says(text, labels)` picks a label of each field, in the order of the prompt's list."""

    def __init__(self, says: Callable[[str, str, list[str]], str]) -> None:
        super().__init__()
        self.says = says
        self.asked: list[dict[str, Any]] = []

    async def ask(self, call):
        body = orjson.loads(call.body)
        self.asked.append(body)
        codes, field = {}, ""
        for line in body["messages"][0]["content"].splitlines():
            if line.startswith("### "):
                field = line.split()[1]
            elif " = " in line:
                code, label = line.split(": ")[0].split(" = ")
                codes.setdefault(field, {})[label] = code
        one = ScriptedModel(lambda text: {name: book[self.says(text, name, list(book))] for name, book in codes.items()})
        one.always = self.always
        return await one.ask(call)


def knows(_text, field, _labels):
    return {"intent": "cancel", "mood": "neutral"}[field]


def guesses(_text, _field, labels):
    return labels[0]


def message(text):
    return Message(text, "", None, None, {})


async def asked(model, texts, votes=1, task=TASK):
    numbers = iter(range(10_000))
    wishes = Wishes("chat", "off", votes=votes)
    route = await open_route(model, task, Dialect("nano", SignalKind.BAND), wishes, lambda _: next(numbers))
    assert isinstance(route, Route)
    question = route.question([message(text) for text in texts])
    result = await route.ask(question)
    reader = reader_of(task, route.backend.signal, votes)
    return route, question, result, reader.read(result, question.refs) if isinstance(result, Answer) else None


async def test_a_model_that_knows_agrees_with_itself_and_one_that_goes_by_the_order_does_not():
    """By Laplace's rule: one further answer gives two thirds or one third, and never certainty."""
    for says, share in ((knows, 2 / 3), (guesses, 1 / 3)):
        model = Reads(says)
        route, question, _, readings = await asked(model, ["one", "two"])
        assert route.backend.signal is SignalKind.AGREEMENT
        assert [len(call.refs) for call in question.calls] == [2, 1, 1]
        for place, reading in enumerate(readings):
            assert reading.signals["intent"] == Confidence(pytest.approx(share), 1.0, 2, place, SignalKind.AGREEMENT)
        assert [reading.labels["intent"] for reading in readings] == ["cancel" if says is knows else "pay"] * 2


async def test_further_questions_are_about_one_message_and_its_labels_only():
    """In the reverse order first; values are asked once, and nobody is asked how sure he is."""
    model = Reads(knows)
    await asked(model, ["one", "two"], votes=2)
    whole, *further = model.asked[-5:]
    properties = [
        b["response_format"]["json_schema"]["schema"]["properties"]["r"]["items"]["properties"] for b in (whole, *further)
    ]
    assert list(properties[0]) == ["ref", "intent", "mood", "order"]
    assert all(list(each) == ["ref", "intent", "mood"] for each in properties[1:])
    assert all(len(orjson.loads(b["messages"][1]["content"])["items"]) == 1 for b in further)
    assert list(permuted(TASK, 1).fields["intent"].labels) == ["track", "cancel", "pay"]
    assert sorted(permuted(TASK, 2).fields["intent"].labels) == ["cancel", "pay", "track"]
    assert permuted(TASK, 2) == permuted(TASK, 2)


async def test_the_number_of_further_answers_is_part_of_what_is_asked():
    """So a calibration of one number is refused for another."""
    hashes = {(await asked(Reads(knows), ["one"], votes))[0].backend.prompt_hash for votes in (1, 2, 3)}
    assert len(hashes) == 3


async def test_more_answers_tell_more():
    """Of three, those that agree make four fifths, three, two or one."""
    seen = set()
    for agreeing in range(4):
        answers = iter(["pay"] + ["pay"] * agreeing + ["cancel"] * (3 - agreeing))

        def says(text, field, _labels, answers=answers):
            return "neutral" if field == "mood" else next(answers) if text == "one" else "pay"

        *_, (reading,) = await asked(Reads(says), ["one"], votes=3)
        seen.add(round(reading.signals["intent"].probability, 6))
        assert reading.signals["mood"].probability == pytest.approx(0.8)
    assert seen == {0.2, 0.4, 0.6, 0.8}


async def test_a_further_answer_that_cannot_be_read_leaves_the_label_without_a_score():
    """Null, never certain: it is escalated as not scored."""
    model = Reads(knows)
    model.always = lambda items: (lambda _reply: "nonsense") if len(items) == 1 and len(model.asked) > 3 else None
    *_, readings = await asked(model, ["one", "two"])
    assert {type(reading.signals["intent"]) for reading in readings} == {NotScored}
    verdict = Judge(TASK, UserCode()).judge("one", readings[0], readings[0].signals)
    assert (Doubt.NOT_SCORED, "intent") in [(reason.doubt, reason.field) for reason in verdict.reasons]


async def test_a_further_call_that_fails_leaves_its_message_unread():
    """It is asked again alone, and then the fault is the question's own."""
    model = Reads(knows)

    def step(items):
        return TryAgain("HTTP 500") if [item["text"] for item in items] == ["two"] else None

    model.always = step
    *_, readings = await asked(model, ["one", "two"])
    assert isinstance(readings[0], Read)
    assert readings[1] is Unread.MISSING
    _, _, fault, _ = await asked(model, ["two"])
    assert fault == TryAgain("HTTP 500")
    model.always = lambda items: Barred("spent") if [item["text"] for item in items] == ["two"] else None
    _, _, fault, _ = await asked(model, ["one", "two"])
    assert fault == Barred("spent")


async def test_the_answer_is_that_of_the_first_call_with_the_usage_of_all():
    """However the further ones come back."""
    _, _, answer, _ = await asked(Reads(knows), ["one", "two"], votes=2)
    assert answer.usage == Usage(500, 0, 50)
    assert len(orjson.loads(answer.content)["r"]) == 2
    assert sorted(map(len, answer.votes.values())) == [2, 2]


@pytest.mark.parametrize(("share", "accepted"), [(2 / 3, True), (1 / 3, False)])
def test_a_task_accepts_it_by_a_threshold_of_its_own(share, accepted):
    """Thresholds for log-probabilities say nothing of it."""
    signals = {name: Confidence(share, 1.0, 1, 0, SignalKind.AGREEMENT) for name in ("intent", "mood")}
    reading = Read({"intent": "pay", "mood": "neutral"}, {"order": None}, None, 0)
    assert isinstance(Judge(TASK, UserCode()).judge("", reading, signals), Labelled) == accepted
    other = Task.model_validate(RAW | {"thresholds": {"default": 0.1}})
    verdict = Judge(other, UserCode()).judge("", reading, signals)
    assert isinstance(verdict, Escalated)
    assert {reason.doubt for reason in verdict.reasons} == {Doubt.NOT_SCORED}


async def test_a_task_without_a_rule_for_it_is_asked_for_the_band():
    """So is every task where nobody wished for further answers."""
    silent = Task.model_validate(RAW | {"thresholds": {"default": 0.7}})
    for task, votes in ((silent, 2), (TASK, 0)):
        route = await open_route(
            Reads(knows), task, Dialect("nano", SignalKind.BAND), Wishes("chat", "off", votes=votes), lambda below: below - 1
        )
        assert route.backend.signal is SignalKind.BAND
    promised = Task.model_validate(
        {name: part for name, part in RAW.items() if name != "thresholds"} | {"promise": {"error": 0.05}}
    )
    assert accepts_agreement(promised)
