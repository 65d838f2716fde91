"""A model in memory: reads the question as any model would and answers by a script. Obeys the `Model` contract."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from workers.asking.model import Answer, Fault, Question, Unclear, Usage

Item = dict[str, Any]
Mangle = Callable[[list[Item]], Any]


def asked(question: Question) -> tuple[list[Item], dict[str, Any]]:
    """Return the items of a question, and the schema's properties of an item."""
    body = orjson.loads(question.body)
    items = orjson.loads(body["messages"][1]["content"])["items"]
    return items, body["response_format"]["json_schema"]["schema"]["properties"]["r"]["items"]["properties"]


class ScriptedModel:
    """Answers every item with `label(text)`: field values by name, the first code for a label it does not name.

    `script` holds, per call and first come first served, a fault to return or a function that mangles the reply's items;
    when it is empty, calls are answered well. `texts` records what was asked.
    """

    def __init__(self, label: Callable[[str], Item] = lambda _text: {}) -> None:
        self.label = label
        self.script: list[Fault | Unclear | Mangle] = []
        self.always: Callable[[list[Item]], Fault | Unclear | Mangle | None] = lambda _items: None
        self.texts: list[list[str]] = []
        self.hold: asyncio.Event | None = None
        self.closed = False

    async def ask(self, question: Question) -> Answer | Fault | Unclear:
        items, properties = asked(question)
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
