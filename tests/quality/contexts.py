"""Whether a context improves the labels of follow-up messages, by two models on this machine.

    python -m tests.quality.contexts [--data FOLDER] [--dialogues 150] [--model classifier] [--model llm]

One follow-up message of each dialogue, drawn by a seed, is labelled with and without what was said before it: by the local model,
which has the other half of the dialogues as examples, with and without their contexts, and by a real, small language model
through the worker's own prompt. Pairs are independent, so McNemar's exact test says what chance
would do. Writes `.nanotriage/contexts.json`.
"""

import argparse
import asyncio
import json
import random
import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from math import comb
from pathlib import Path

import orjson

from schemas.reply import ITEMS, code_books
from schemas.verdict import SignalKind
from tests.public_data import find_public_data
from tests.quality.dialogues import LABELS, Asked, messages, task_of
from workers.asking.model import Answer
from workers.asking.openai_model import OpenAIModel
from workers.asking.prompt import Dialect, Prompt
from workers.commands.table import print_table
from workers.modelserver.classifier import Classifier
from workers.modelserver.embedder import Embedder, Embeds
from workers.modelserver.examples import Example, FieldExamples
from workers.modelserver.head_store import HeadStore
from workers.modelserver.labeller import Code, Item, Labelled, LabelQuestion, ParsedRequest
from workers.modelserver.local_model import LocalModel
from workers.modelserver.options import DATA, Kind, ModelOptions
from workers.modelserver.weights import find_weights
from workers.settings import load_settings
from workers.wiring.model import openai_model

_SEED = 20_261_121


@dataclass(frozen=True, slots=True)
class Compared:
    """Shares that are right without and with a context, and the pairs in which only one of them is."""

    set: str
    model: str
    messages: int
    without: float
    with_context: float
    only_without: int
    only_with: int
    p: float


def compare(name: str, model: str, bare: Sequence[bool], told: Sequence[bool]) -> Compared:
    """Return the comparison; `p` is of McNemar's exact two-sided test."""
    lost = sum(a and not b for a, b in zip(bare, told, strict=True))
    won = sum(b and not a for a, b in zip(bare, told, strict=True))
    tail = sum(comb(lost + won, k) for k in range(min(lost, won) + 1)) / 2 ** (lost + won)
    return Compared(name, model, len(bare), sum(bare) / len(bare), sum(told) / len(told), lost, won, min(1.0, 2 * tail))


def follow_ups(asked: Sequence[Asked], most: int | None = None) -> list[Asked]:
    """Return one message of each dialogue that is not its first, of so many dialogues at most."""
    rng = random.Random(_SEED)
    later = [list(said) for _, said in groupby((one for one in asked if not one.first), lambda one: one.dialogue)]
    rng.shuffle(later)
    return [rng.choice(said) for said in later[:most]]


def halves(asked: Sequence[Asked]) -> tuple[list[Asked], list[Asked]]:
    """Return the messages of two random halves of the dialogues."""
    names = sorted({one.dialogue for one in asked})
    random.Random(_SEED).shuffle(names)
    learned = set(names[: len(names) // 2])
    return [one for one in asked if one.dialogue in learned], [one for one in asked if one.dialogue not in learned]


def by_classifier(embedder: Embeds, name: str, asked: Sequence[Asked]) -> tuple[list[bool], list[bool]]:
    """Return which held-out follow-ups the local model gets right, without and with a context."""
    learned, held_out = halves(asked)
    held_out, right = follow_ups(held_out), []
    codes = tuple(Code(label, label, words) for label, words in LABELS[name].items())
    for context in (False, True):
        examples = [Example(one.bare.text, one.intent, _said(one) if context else ()) for one in learned]
        heads = HeadStore(embedder, [FieldExamples("intent", LABELS[name], "", tuple(examples))])
        items = [Item(str(place), one.bare.text, _said(one) if context else ()) for place, one in enumerate(held_out)]
        answers = Classifier(embedder, heads).label(ParsedRequest((LabelQuestion("intent", codes),), tuple(items)))
        chosen = [one.code for answer in answers for one in answer.answers if isinstance(one, Labelled)]
        right.append([code == one.intent for code, one in zip(chosen, held_out, strict=True)])
    return right[0], right[1]


def _said(one: Asked) -> tuple[str, ...]:
    return () if one.told.context is None else tuple(said.text for said in one.told.context.turns)


async def by_llm(
    model: OpenAIModel, name: str, asked: Sequence[Asked], served: str, tell: Callable[[str], None]
) -> list[list[bool]]:
    """Return which messages are right without and with a context. An answer that cannot be read is wrong."""
    right = []
    for context in (False, True):
        task = task_of(name, context=context)
        prompt, book = Prompt(task, Dialect(served, SignalKind.LOGPROBS)), code_books(task)["intent"]
        found = []
        for number, one in enumerate(asked):
            message = one.told if context else one.bare
            (call,) = prompt.calls([message], (secrets.token_hex(3),))
            answer = await model.ask(call)
            code = orjson.loads(answer.content)[ITEMS][0]["intent"] if isinstance(answer, Answer) and not answer.cut else None
            found.append(book.labels.get(code) == one.intent)
            if number % 25 == 24:
                tell(f"{name}, {'with' if context else 'without'} a context: {number + 1} of {len(asked)}")
        right.append(found)
    return right


async def llm(data: Path, most: int) -> list[Compared]:
    found = []
    with LocalModel(ModelOptions(Kind.LLM, data=DATA)) as server:
        model = openai_model(load_settings({"model.base_url": server.base_url, "model.name": server.model}).model)
        try:
            for name in LABELS:
                asked = follow_ups(messages(data, name), most)
                bare, told = await by_llm(model, name, asked, server.model, lambda said: print(said, file=sys.stderr))
                found.append(compare(name, server.model, bare, told))
        finally:
            await model.close()
    return found


def classifier(data: Path) -> list[Compared]:
    embedder = Embedder(find_weights(DATA / "models"))
    return [compare(name, "local-bge-small", *by_classifier(embedder, name, messages(data, name))) for name in LABELS]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.quality.contexts")
    parser.add_argument("--data", type=Path, default=find_public_data())
    parser.add_argument("--dialogues", type=int, default=150, help="at most so many of a set are asked of the language model")
    parser.add_argument("--model", dest="models", action="append", choices=["classifier", "llm"])
    wanted = parser.parse_args()
    if wanted.data is None:
        print("there is no public labelled data here: name its folder with --data", file=sys.stderr)
        return 2
    models = wanted.models or ["classifier", "llm"]
    found = classifier(wanted.data) if "classifier" in models else []
    found += asyncio.run(llm(wanted.data, wanted.dialogues)) if "llm" in models else []
    (DATA / "contexts.json").write_text(json.dumps([asdict(one) for one in found], indent=2), encoding="utf-8")
    heads = ("SET", "MODEL", "MESSAGES", "RIGHT WITHOUT", "RIGHT WITH", "ONLY WITHOUT", "ONLY WITH", "P")
    print_table(heads, [_row(one) for one in found])
    return 0


def _row(one: Compared) -> list[str]:
    shares = [f"{one.without:.1%}", f"{one.with_context:.1%}"]
    return [one.set, one.model, str(one.messages), *shares, str(one.only_without), str(one.only_with), f"{one.p:.2g}"]


if __name__ == "__main__":
    sys.exit(main())
