"""Both sides of the decision routes: our client and the local model server, and what other software says of the wires."""

from contextlib import asynccontextmanager

import httpx2
import orjson
import pytest
from aiohttp.test_utils import TestServer
from openai.types import Decision as OpenAIDecision
from pydantic import TypeAdapter

from schemas.fields import LabelField
from schemas.message import Message
from schemas.reply import code_books
from schemas.verdict import Confidence, SignalKind
from tests.modelserver_fixtures import classifier_server, model_data
from workers.asking.model import Answer, Barred, Wire
from workers.asking.openai_model import Endpoint, OpenAIModel
from workers.asking.prompt import Dialect
from workers.asking.route import Route, Wishes, open_route
from workers.asking.whole_client import whole_of
from workers.judging.answers import DecidedReader
from workers.judging.reading import Read, Reader
from workers.modelserver.random_labeller import RandomLabeller
from workers.modelserver.server import MODEL_ID, ModelServer, Served
from workers.taskfiles import load_task
from workers.wiring.model import secure_draw

__all__ = ["classifier_server", "model_data"]

TASK = load_task("support_tickets").task
DECIDABLE = TASK.model_copy(update={"thresholds": None})
TEXTS = ["I want to cancel order 113542617735902", "Where is my parcel? This is the third time I ask!"]
WIRES = pytest.mark.parametrize("wire", ["decisions", "systemone"])


@asynccontextmanager
async def local_server():
    server = TestServer(ModelServer(Served(RandomLabeller(7), "fp_1", 1)).app())
    await server.start_server()
    try:
        yield str(server.make_url("/v1"))
    finally:
        await server.close()


@asynccontextmanager
async def client(url):
    model = OpenAIModel(Endpoint(url, lambda: "k", None, None, 20.0, 4))
    try:
        yield model
    finally:
        await model.close()


async def asked(model, wire, texts, task=DECIDABLE):
    route = await open_route(model, task, Dialect(MODEL_ID, SignalKind.BAND), Wishes(wire), secure_draw)
    assert isinstance(route, Route), route
    question = route.question([Message(text, "", None, None, {}) for text in texts])
    answer = await route.ask(question)
    assert isinstance(answer, Answer), answer
    books = code_books(task)
    others = [name for name in task.fields if name not in books]
    reader = DecidedReader(books, Reader({}, others, banded=False) if others else None)
    return answer, reader.read(answer, question.refs)


@WIRES
async def test_a_task_is_decided_and_extracted_over_http(wire):
    """Labels by the decision route with the whole distribution, values by chat, one reading per message."""
    async with local_server() as url, client(url) as model:
        answer, readings = await asked(model, wire, TEXTS)
    assert answer.usage.input > 0
    assert answer.request_id
    for reading in readings:
        assert isinstance(reading, Read)
        assert set(reading.written) == set(TASK.fields) - set(TASK.classified())
        for name in TASK.classified():
            signal = reading.signals[name]
            assert isinstance(signal, Confidence)
            assert signal.kind is SignalKind.DISTRIBUTION
            assert signal.mass == pytest.approx(1.0)


@WIRES
async def test_both_wires_and_the_chat_wire_agree(wire):
    """One labeller, three ways to ask it: the same labels."""
    async with local_server() as url, client(url) as model:
        _, readings = await asked(model, wire, TEXTS)
        _, again = await asked(model, "systemone" if wire == "decisions" else "decisions", TEXTS)
    assert [(r.labels, r.signals) for r in readings] == [(r.labels, r.signals) for r in again]


SCALED = DECIDABLE.model_copy(
    update={
        "checks": (),
        "fields": {
            "angry": LabelField(kind="label", description="The writer is angry.", labels={"yes": "", "no": ""}),
            "urgency": LabelField(kind="label", ordered=True, labels={"low": "", "middle": "", "high": ""}),
        },
    }
)


async def test_predicates_and_scores_are_asked_and_answered_over_http():
    """The same on both wires: a label each, with the probability of every label."""
    async with local_server() as url, client(url) as model:
        _, readings = await asked(model, "decisions", TEXTS, SCALED)
        _, again = await asked(model, "systemone", TEXTS, SCALED)
    assert [(r.labels, r.signals) for r in readings] == [(r.labels, r.signals) for r in again]
    for reading in readings:
        assert reading.labels["angry"] in ("yes", "no")
        assert reading.labels["urgency"] in ("low", "middle", "high")
        assert all(signal.mass == pytest.approx(1.0) for signal in reading.signals.values())


async def test_a_server_without_decision_routes_is_told_from_a_fault():
    """Auto goes on with chat; who insists is told what to set."""
    server = TestServer(ModelServer(Served(RandomLabeller(7), "fp_1", 1)).app())
    await server.start_server()
    async with client(str(server.make_url("/v1/nothing"))) as model:
        route = await open_route(model, DECIDABLE, Dialect(MODEL_ID, SignalKind.BAND), Wishes("decisions"), secure_draw)
    await server.close()
    assert isinstance(route, Barred)


async def test_the_local_server_answers_as_the_package_reads():
    """Strictly: every field that the package's own type has, of its type."""
    async with local_server() as url, client(url) as model:
        bodies = []

        class Spy:
            async def ask(self, call):
                if call.wire is Wire.DECISIONS:
                    response = await model._client.post(call.wire.value, cast_to=httpx2.Response, content=call.body)
                    bodies.append(orjson.loads(whole_of(response).body))
                return await model.ask(call)

        await asked(Spy(), "decisions", TEXTS[:1])
    for body in bodies:
        TypeAdapter(OpenAIDecision).validate_python(body, strict=True)
    assert len(bodies) == 3  # the decision alone, the whole harmless question, and ours


@pytest.mark.local_model
@WIRES
async def test_the_classifier_decides_what_it_labels(classifier_server, wire):
    """A text that says plainly what it wants, through the real labeller."""
    async with client(classifier_server.base_url) as model:
        _, readings = await asked(model, wire, TEXTS)
    assert readings[0].labels["intent"] == "cancel_order"
    assert readings[0].written["order_id"] == "113542617735902"
    assert readings[0].signals["intent"].probability > 0.5
