"""The questions of the shipped tasks, word by word: a change of prompt is a change of results, and is made on purpose."""

import itertools
import json

import orjson
import pytest

from schemas.message import Message
from schemas.reply import reply_schema
from schemas.verdict import SignalKind
from tests.helpers import call_of
from workers.asking.decisions import Sheet
from workers.asking.model import Wire
from workers.asking.prompt import Dialect, Prompt
from workers.taskfiles import load_task, shipped_tasks

SIGNALS = (SignalKind.LOGPROBS, SignalKind.BAND)
CASES = [(name, signal) for name in shipped_tasks() for signal in SIGNALS]
TEXTS = ['Where is order 12345? I paid "EUR 20".', "Second text:\nwith a line break, é and 😀."]


def test_there_are_three_shipped_tasks() -> None:
    """A new one needs its golden files; a lost one must be noticed."""
    assert shipped_tasks() == ["banking_support", "card_transactions", "support_tickets"]


@pytest.mark.parametrize(("name", "signal"), CASES)
def test_the_prompt_is_the_one_we_measured(golden, name, signal) -> None:
    """The system message, and the user message of two texts under fixed refs."""
    prompt = Prompt(load_task(name).task, Dialect("model", signal))
    numbers = itertools.count()
    question = call_of(prompt, [Message(text, "", None, None, {}) for text in TEXTS], lambda _below: next(numbers))
    system, user = (m["content"] for m in orjson.loads(question.body)["messages"])
    assert system == prompt.system
    golden(f"prompts/{name}.{signal}.md", f"{system}\n---\n\n{user}\n")


@pytest.mark.parametrize(("name", "signal"), CASES)
def test_the_reply_schema_is_the_one_we_measured(golden, name, signal) -> None:
    """Its bytes are part of a provider's prompt cache, and its codes part of every stored answer."""
    schema = reply_schema(load_task(name).task, signal)
    golden(f"prompts/{name}.{signal}.schema.json", json.dumps(schema, indent=1, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("name", shipped_tasks())
def test_the_request_besides_the_prompt_is_known(golden, name) -> None:
    """Parameters and their order, without the prompt and the schema."""
    dialect = Dialect("model", SignalKind.LOGPROBS, reasoning_effort="none", store=False)
    question = call_of(Prompt(load_task(name).task, dialect), [Message("x", "", None, None, {})], lambda _below: 0)
    body = orjson.loads(question.body)
    body["messages"] = [{**m, "content": "..."} for m in body["messages"]]
    body["response_format"]["json_schema"]["schema"] = "..."
    golden("prompts/request.json", json.dumps(body, indent=1) + "\n")


@pytest.mark.parametrize("wire", [Wire.DECISIONS, Wire.SYSTEMONE])
@pytest.mark.parametrize("name", shipped_tasks())
def test_the_decision_request_is_the_one_we_measured(golden, name, wire) -> None:
    """The labels of a task as questions to a decision route."""
    (call,) = Sheet(load_task(name).task, "model", wire).calls([Message(TEXTS[0], "", None, None, {})], ("k3f9",))
    text = json.dumps(orjson.loads(call.body), indent=1, ensure_ascii=False)
    golden(f"prompts/{name}.{wire.name.lower()}.json", f"{text}\n")
