"""A model in memory: reads the question as any model would and answers by a script. Obeys the `Model` contract."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from schemas.verdict import Decision
from tests.fakes.model_replies import schema_of
from workers.asking.model import Answer, Barred, Call, Fault, Unclear, Usage, Wire

Item = dict[str, Any]
Mangle = Callable[[list[Item]], Any]


def asked(call: Call) -> tuple[list[Item], dict[str, Any]]:
    """Return the items of a call, and the schema's properties of an item."""
    body = orjson.loads(call.body)
    items = orjson.loads(body["messages"][1]["content"])["items"]
    return items, schema_of(body)["properties"]["r"]["items"]["properties"]


class ScriptedModel:
    """Answers every item with `label(text)`: field values by name, the first code for a label it does not name.

    `script` holds, per call and first come first served, a fault to return or a function that mangles the reply's items;
    when it is empty, calls are answered well. `texts` records what was asked. Decision routes are absent unless `decides`
    says what they answer: a choice and the probabilities, by text and question.
    """

    def __init__(self, label: Callable[[str], Item] = lambda _text: {}) -> None:
        self.label = label
        self.script: list[Fault | Unclear | Mangle] = []
        self.always: Callable[[list[Item]], Fault | Unclear | Mangle | None] = lambda _items: None
        self.texts: list[list[str]] = []
        self.decides: Callable[[str, dict[str, list[str]]], dict[str, Decision]] | None = None
        self.hold: asyncio.Event | None = None
        self.closed = False

    async def ask(self, call: Call) -> Answer | Fault | Unclear:
        if call.wire is not Wire.CHAT:
            return self._decide(call)
        items, properties = asked(call)
        self.texts.append([item["text"] for item in items])
        if self.hold is not None:
            await self.hold.wait()
        await asyncio.sleep(0)
        step = self.script.pop(0) if self.script else self.always(items)
        reply = [self._item(item, properties) for item in items]
        if step is None:
            content = orjson.dumps({"r": reply}).decode()
        elif callable(step):
            mangled = step(reply)
            content = mangled if isinstance(mangled, str) else orjson.dumps({"r": mangled}).decode()
        else:
            return step
        return Answer(content, False, (), Usage(100, 0, 10), "scripted", f"req-{len(self.texts)}")

    def _decide(self, call: Call) -> Answer | Fault | Unclear:
        body = orjson.loads(call.body)
        if self.decides is None or call.wire is Wire.SYSTEMONE:
            return Barred("there is no such route")
        self.texts.append([body["input"]])
        step = self.script.pop(0) if self.script else self.always([{"ref": call.refs[0], "text": body["input"]}])
        if step is not None and not callable(step):
            return step
        questions = {q["name"]: [choice["value"] for choice in q["choices"]] for q in body["questions"]}
        decided = self.decides(body["input"], questions)
        return Answer("", False, (), Usage(20), "scripted", f"req-{len(self.texts)}", decided={call.refs[0]: decided})

    def _item(self, item: Item, properties: dict[str, Any]) -> Item:
        values = self.label(item["text"])
        reply: Item = {"ref": item["ref"]}
        for name, schema in properties.items():
            if name == "ref":
                continue
            if name == "sure":
                reply[name] = values.get(name, "high")
            elif "enum" in schema:
                reply[name] = values.get(name, schema["enum"][0])
            else:
                reply[name] = values.get(name)
        return reply

    async def close(self) -> None:
        self.closed = True
