"""The local classifier under the worker's own questions: hostile neighbours change no label, and canaries are answered."""

import random
from contextlib import asynccontextmanager

import orjson
import pytest

from schemas.message import Message
from schemas.verdict import SignalKind
from tests.modelserver_fixtures import classifier_server, model_data
from tests.public_data import require_public_data
from workers.asking.openai_model import Endpoint, OpenAIModel
from workers.asking.prompt import Dialect
from workers.asking.route import Wishes, open_route
from workers.guarding.canaries import candidates
from workers.judging.reading import Read
from workers.taskfiles import load_task
from workers.wiring.lines import reader_of

__all__ = ["classifier_server", "model_data"]
pytestmark = pytest.mark.local_model
TASK = load_task("banking_support").task


def attacks():
    data = require_public_data()
    sets = ("injection_deepset/train", "injection_giskard/train", "bipia_email/attacks_train")
    rows = [[orjson.loads(line) for line in (data / f"{name}.jsonl").read_bytes().splitlines()] for name in sets]
    return [row["text"][:2_000] for found in rows for row in found if row.get("injection", 1)]


def innocent(count):
    sample = load_task("banking_support").sample_path.read_bytes().splitlines()
    return [orjson.loads(line)["message"] for line in random.Random(1).sample(sample, count)]


@asynccontextmanager
async def asking(server):
    """Give a function that asks about texts in one call and returns their labels."""
    endpoint = Endpoint(server.base_url, lambda: "none", None, None, 60.0, 4)
    model, rng = OpenAIModel(endpoint), random.Random(1)
    try:
        route = await open_route(model, TASK, Dialect(server.model, SignalKind.LOGPROBS), Wishes("chat"), rng.randrange)
        reader = reader_of(TASK, route.backend.signal)

        async def ask(texts):
            question = route.question([Message(text, "1", None, None, {}) for text in texts])
            readings = reader.read(await route.ask(question), question.refs)
            assert all(isinstance(reading, Read) for reading in readings)
            return [reading.labels["intent"] for reading in readings]

        yield ask
    finally:
        await model.close()


async def test_attacks_as_neighbours_change_no_label(classifier_server):
    """Of 120 customers' messages in calls of eight, alone among themselves and then with eight attacks between them."""
    texts, hostile = innocent(120), attacks()
    random.Random(2).shuffle(hostile)
    changed = 0
    async with asking(classifier_server) as ask:
        for start in range(0, 120, 8):
            ours, theirs = texts[start : start + 8], hostile[start : start + 8]
            mixed = [text for pair in zip(theirs, ours, strict=True) for text in pair]
            changed += sum(a != b for a, b in zip(await ask(ours), (await ask(mixed))[1::2], strict=True))
    assert changed == 0


async def test_canaries_of_a_shipped_task_are_answered_with_their_labels(classifier_server):
    """Most of what the descriptions say is recognised, so that there are canaries to stand beside the suspicious."""
    async with asking(classifier_server) as ask:
        found = [(canary.label, *await ask([canary.message.text])) for canary in candidates(TASK, random.Random(3).randrange)]
    assert sum(label == answer for label, answer in found) >= len(found) / 2
