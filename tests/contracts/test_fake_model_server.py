"""The fake model server keeps the contract of a chat completions route: asked by the worker's own client, read by its own reader."""

import asyncio
import json
import random
import time
from contextlib import asynccontextmanager
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import jsonschema
import openai
import orjson
import pytest
from openai.types import Decision

from schemas.message import Message
from schemas.reply import code_books
from schemas.task import Task
from schemas.verdict import Confidence, SignalKind
from tests.fakes.model_process import FakeModel
from tests.helpers import call_of
from tests.modelserver_fixtures import OPENAPI
from workers.asking.model import Answer, Barred, Broken, Call, Refused, TryAgain, Unclear
from workers.asking.openai_model import Endpoint, OpenAIModel
from workers.asking.prompt import Dialect, Prompt
from workers.judging.confidence import Scorer
from workers.judging.reading import Read, Reader, Unread

TASK = Task.model_validate(
    {
        "name": "tickets",
        "source": {"topic": "in", "text": "body"},
        "instructions": "Label the tickets.",
        "fields": {
            "intent": {"kind": "label", "labels": {f"label_{i}": "a label" for i in range(30)}},
            "tone": {"kind": "sentiment"},
            "order_id": {"kind": "extract", "pattern": "[0-9]{3,}"},
        },
        "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead"},
    }
)
BOOKS = code_books(TASK)
SEED = 7


@pytest.fixture(scope="module")
def server():
    with FakeModel("--codes", "hash") as fake:
        yield fake


@pytest.fixture
def obedient(server):
    server.control(mode="ok")
    yield server
    server.control(mode="ok")


@asynccontextmanager
async def client(server, seconds=5.0, key="k"):
    model = OpenAIModel(Endpoint(server.base_url, lambda: key, None, None, seconds, 8))
    yield model
    await model.close()


def question(*texts, signal=SignalKind.BAND):
    draw = random.Random(SEED).randrange
    return call_of(Prompt(TASK, Dialect("m", signal)), [Message(text, "id", None, None, {}) for text in texts], draw)


async def ask(server, *texts, signal=SignalKind.BAND, seconds=5.0, key="k"):
    asked = question(*texts, signal=signal)
    async with client(server, seconds, key) as model:
        return asked, await model.ask(asked)


def readings(asked, answer):
    reader = Reader(BOOKS, ["order_id"], banded=b'"sure"' in asked.body)
    return reader.read(answer.content, asked.refs, cut=answer.cut)


@pytest.mark.parametrize("signal", [SignalKind.LOGPROBS, SignalKind.BAND])
async def test_a_reply_is_valid_under_the_schema_that_was_sent(obedient, signal):
    """Whatever signal is asked for, the reply obeys its strict schema and every item can be read."""
    asked, answer = await ask(obedient, 'with "quotes"', "two\nlines", "ünïcode", signal=signal)
    assert isinstance(answer, Answer)
    schema = orjson.loads(asked.body)["response_format"]["json_schema"]["schema"]
    jsonschema.validate(orjson.loads(answer.content), schema)
    assert all(isinstance(reading, Read) for reading in readings(asked, answer))
    assert answer.usage.input > 0
    assert answer.usage.output > 0


async def test_a_text_is_labelled_the_same_in_every_batch(obedient):
    """The label hangs on the text alone, and texts differ in their labels."""
    texts = [f"text {i}" for i in range(40)]
    asked, answer = await ask(obedient, *texts)
    together = [reading.labels for reading in readings(asked, answer)]
    assert len({labels["intent"] for labels in together}) > 10
    for index in (0, 17, 39):
        asked, answer = await ask(obedient, texts[index])
        assert readings(asked, answer)[0].labels == together[index]


async def test_log_probabilities_are_scored(obedient):
    """The tokens spell the answer, and every label gets a confidence with nearly all the mass."""
    _, answer = await ask(obedient, "one", "two", "three", signal=SignalKind.LOGPROBS)
    for signals in Scorer(BOOKS).score(answer.content, answer.tokens, 3):
        for signal in signals.values():
            assert isinstance(signal, Confidence)
            assert signal.probability == pytest.approx(0.95)
            assert signal.mass == pytest.approx(1.0)


async def test_a_server_without_log_probabilities_ignores_the_wish():
    """Some routes take `logprobs` and return none."""
    with FakeModel("--no-logprobs") as fake:
        asked, answer = await ask(fake, "one", signal=SignalKind.LOGPROBS)
    assert list(answer.tokens) == []
    assert isinstance(readings(asked, answer)[0], Read)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("429", TryAgain),
        ("500", TryAgain),
        ("hang", TryAgain),
        ("drip", TryAgain),
        ("html", TryAgain),
        ("error_body", TryAgain),
        ("cut_body", TryAgain),
        ("reset", TryAgain),
        ("refusal", Refused),
        ("401", Barred),
        ("404", Barred),
    ],
)
async def test_a_fault_is_one_of_the_clients_kinds(obedient, mode, kind):
    """Every fault of the whole call comes out as what the worker knows how to bear, and is over when it is told so."""
    obedient.control(mode=mode, times=1)
    _, fault = await ask(obedient, "one", seconds=0.5)
    assert isinstance(fault, kind), fault
    _, answer = await ask(obedient, "one")
    assert isinstance(answer, Answer)


async def test_retry_after_is_told_only_when_wanted(obedient):
    """429 comes with the header and without it."""
    obedient.control(mode="429", retry_after=0.25)
    assert (await ask(obedient, "one"))[1].after_seconds == 0.25
    obedient.control(mode="429")
    assert (await ask(obedient, "one"))[1].after_seconds is None


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("missing", [Unread.MISSING, None, None]),
        ("doubled", [Unread.DOUBLED, None, None]),
        ("alien", [Unread.MISSING, None, None]),
        ("truncated", [None, None, Unread.MISSING]),
    ],
)
async def test_a_mangled_reply_spoils_only_the_items_it_should(obedient, mode, expected):
    """The reader finds the spoiled item and keeps its neighbours."""
    obedient.control(mode=mode, times=1)
    asked, answer = await ask(obedient, "one", "two", "three")
    assert [reading if isinstance(reading, Unread) else None for reading in readings(asked, answer)] == expected


async def test_swapped_refs_are_valid_and_wrong(obedient):
    """Each ref gets another text's labels: only who knows the right answer can tell."""
    texts = [f"text {i}" for i in range(6)]
    right = [r.labels for r in readings(*await ask(obedient, *texts))]
    obedient.control(mode="swapped", times=1)
    wrong = [r.labels for r in readings(*await ask(obedient, *texts))]
    assert wrong == right[::-1]
    assert wrong != right


async def test_a_wrong_key_is_refused():
    """With a key of its own, the server bars every other."""
    with FakeModel("--key", "right") as fake:
        assert isinstance((await ask(fake, "one", key="wrong"))[1], Barred)
        assert isinstance((await ask(fake, "one", key="right"))[1], Answer)


async def test_every_question_about_a_text_is_counted():
    """Calls, items and faults add up, so that texts asked twice can be counted."""
    with FakeModel("--fault", "500=0.5", "--seed", "3") as fake:
        for _ in range(20):
            await ask(fake, "one", "two")
        await ask(fake, "one")
        stats = fake.stats(texts=True)
    assert (stats["calls"], stats["items"], stats["distinct_texts"]) == (21, 41, 2)
    assert stats["texts"] == {"one": 21, "two": 20}
    assert 4 <= stats["faults"]["500"] <= 16


async def test_it_comes_back_on_its_port():
    """Killed, nobody answers; started again, it is found where it was."""
    fake = FakeModel().start()
    try:
        port = fake.port
        fake.kill()
        assert isinstance((await ask(fake, "one"))[1], TryAgain)
        fake.start()
        assert fake.port == port
        assert isinstance((await ask(fake, "one"))[1], Answer)
    finally:
        fake.kill()


async def test_what_is_no_request_of_ours_is_a_400(obedient):
    """A request without items is refused, never guessed at."""
    async with client(obedient) as model:
        unclear = await model.ask(Call(b'{"model":"m","messages":[]}', ("a",)))
    assert not isinstance(unclear, (Answer, Broken))


async def test_limits_are_kept_over_a_second_and_told():
    """Calls above the rate are 429s with OpenAI's body and headers; after the time they name there is room again."""
    with FakeModel("--rpm", "60", "--tpm", "6000000") as fake:
        began = time.monotonic()
        results = [(await ask(fake, "one"))[1] for _ in range(6)]
        limited = [result for result in results if isinstance(result, TryAgain)]
        assert 6 - len(limited) <= 1 + time.monotonic() - began
        assert all(0 < result.after_seconds <= 1 for result in limited)
        assert fake.stats()["limited"] == len(limited)
        fake.control(rpm=0.001, tpm=6_000_000)
        assert [type((await ask(fake, "one"))[1]) for _ in range(3)] == [Answer, TryAgain, TryAgain]
        fake.control(rpm=60, tpm=6_000_000)
        assert isinstance((await ask(fake, "one"))[1], Answer)
        _, headers = await raw(fake)
    assert headers["x-ratelimit-limit-requests"] == "60"
    assert headers["x-ratelimit-limit-tokens"] == "6000000"
    assert headers["x-ratelimit-reset-requests"].endswith("s")


@pytest.mark.parametrize("options", [(), ("--rpm", "1")])
async def test_bodies_are_those_of_openai(options):
    """An answer and an error are valid under OpenAI's published schemas."""
    if OPENAPI is None:
        pytest.skip("OpenAI's published schemas are not at hand")
    document = json.loads(OPENAPI.read_text(encoding="utf-8"))
    with FakeModel(*options) as fake:
        for name in ("CreateChatCompletionResponse", "ErrorResponse" if options else "CreateChatCompletionResponse"):
            body, _ = await raw(fake)
            jsonschema.validate(orjson.loads(body), {**document, "$ref": f"#/components/schemas/{name}"})


async def test_a_route_without_json_schema_refuses_it():
    """Some routes take no strict schema and say so with a 400."""
    with FakeModel("--no-json-schema") as fake:
        assert isinstance((await ask(fake, "one"))[1], Unclear)


async def test_an_answer_takes_its_time():
    """Latency grows with the items, and a log-normal one differs from call to call."""
    with FakeModel("--latency-ms", "20", "--item-ms", "20", "--sigma", "0.5") as fake:
        took = []
        for _ in range(6):
            began = time.perf_counter()
            await ask(fake, "one", "two")
            took.append(time.perf_counter() - began)
    assert max(took) > 1.2 * min(took)


async def test_decisions_are_of_the_shape_the_package_knows():
    """Predicate, choice and score, with probabilities that sum to one; switched off, the route is not there."""
    choices = [{"value": "cancel"}, {"value": "track"}, {"value": "praise"}]
    levels = [{"label": "calm"}, {"label": "angry"}]
    questions = [
        {"type": "predicate", "instructions": "wants money back"},
        {"type": "choice", "name": "intent", "instructions": "what is wanted", "choices": choices},
        {"type": "score", "instructions": "how angry", "levels": levels},
    ]
    with FakeModel("--decisions", "--codes", "hash") as fake:
        async with openai.AsyncOpenAI(api_key="k", base_url=fake.base_url, max_retries=0) as package:
            found = await package.decisions.create(model="m", input="please cancel", questions=questions)
            assert Decision.model_validate(found.model_dump(), strict=True)
            assert [answer.type for answer in found.answers] == ["predicate", "choice", "score"]
            assert all(sum(p.probability for p in answer.probabilities) == pytest.approx(1) for answer in found.answers[1:])
            assert found.answers[1].choice in {"cancel", "track"}
            fake.control(mode="500", times=1)
            with pytest.raises(openai.InternalServerError):
                await package.decisions.create(model="m", input="please cancel", questions=questions)
            fake.control(mode="ok", decisions=False)
            with pytest.raises(openai.NotFoundError):
                await package.decisions.create(model="m", input="please cancel", questions=questions)


async def raw(server):
    """Return body and headers of an answer, whatever its status."""
    request = Request(f"{server.base_url}/chat/completions", question("one").body)

    def send():
        try:
            with urlopen(request, timeout=5) as response:
                return response.read(), response.headers
        except HTTPError as error:
            with error:
                return error.read(), error.headers

    return await asyncio.to_thread(send)


async def test_a_planted_effect_of_neighbours_turns_labels_by_company_and_place(obedient):
    """None alone, most of sixteen at this strength and more at the end of a call; the same again for the same call."""
    texts = [f"text {number}" for number in range(16)]
    alone = [readings(*await ask(obedient, text))[0].labels["intent"] for text in texts]
    obedient.control(neighbours=0.04)
    assert [readings(*await ask(obedient, text))[0].labels["intent"] for text in texts] == alone
    found = [[one.labels["intent"] for one in readings(*await ask(obedient, *texts))] for _ in range(2)]
    obedient.control(neighbours=0)
    assert found[0] == found[1]
    turned = [got != wanted for got, wanted in zip(found[0], alone, strict=True)]
    assert 5 <= sum(turned) <= 14
    assert sum(turned[8:]) > sum(turned[:8])
