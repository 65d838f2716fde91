"""The HTTP side of the local model server, with a labeller that a test can read."""

import io
import threading

import orjson
import pytest
from aiohttp.test_utils import TestClient, TestServer
from openai.types import Decision

from tests.modelserver_fixtures import conforms
from workers.modelserver.labeller import ItemAnswer, Labelled, LabelQuestion, ranked
from workers.modelserver.server import BODY_BYTES, MODEL_ID, ModelServer, Served

__all__ = ["conforms"]

SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": ["yes", "no"]}},
    "required": ["answer"],
    "additionalProperties": False,
}
CHAT = {
    "model": MODEL_ID,
    "messages": [{"role": "user", "content": "is it?"}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "probe", "strict": True, "schema": SCHEMA}},
}


class FirstLabeller:
    """Prefers codes in the order they are asked. Can be told to fail, or to answer only when `together` threads ask."""

    def __init__(self, failing=False, together=1):
        self.failing = failing
        self.meeting = threading.Barrier(together, timeout=10.0)

    def label(self, request):
        self.meeting.wait()
        if self.failing:
            raise RuntimeError("the labeller is out of order")
        answers = [self.first(q) for q in request.questions if isinstance(q, LabelQuestion)]
        return [ItemAnswer(item.ref, tuple(answers)) for item in request.items]

    def first(self, question):
        weights = {code.code: 2.0**-place for place, code in enumerate(question.codes, start=1)}
        return Labelled(question.name, ranked({code: w / sum(weights.values()) for code, w in weights.items()}))


@pytest.fixture
async def connect():
    clients = []

    async def start(labeller=None, api_key=None):
        served = Served(labeller or FirstLabeller(), "fp_1", 1_700_000_000, api_key)
        client = TestClient(TestServer(ModelServer(served).app()))
        clients.append(client)
        await client.start_server()
        return client

    yield start
    for client in clients:
        await client.close()


async def test_a_chat_is_answered_with_headers(connect, conforms):
    """An answer carries the request's id, the rate limits and the processing time, as OpenAI's does."""
    client = await connect()
    conforms("CreateChatCompletionRequest", CHAT)
    async with client.post("/v1/chat/completions", json=CHAT) as response:
        body = await response.json()
        conforms("CreateChatCompletionResponse", body)
        assert body["choices"][0]["message"]["content"] == '{"answer":"yes"}'
        assert response.headers["x-request-id"].startswith("req_")
        assert int(response.headers["openai-processing-ms"]) >= 0
        for kind in ("requests", "tokens"):
            remaining, limit = (int(response.headers[f"x-ratelimit-{what}-{kind}"]) for what in ("remaining", "limit"))
            assert 0 < remaining < limit


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/v1/models/other", None, 404, "model_not_found"),
        ("GET", "/v1/nothing", None, 404, "unknown_url"),
        ("PUT", "/v1/models", None, 405, "unknown_url"),
        ("POST", "/v1/chat/completions", b"{", 400, None),
        ("POST", "/v1/chat/completions", b"x" * (BODY_BYTES + 1), 413, "request_too_large"),
        ("POST", "/v1/chat/completions", orjson.dumps(CHAT | {"model": "other"}), 404, "model_not_found"),
    ],
)
async def test_errors_have_the_shape_of_openai(connect, conforms, method, path, body, status, code):
    """Each refusal has its status, and an error object that clients of OpenAI can read."""
    client = await connect()
    async with client.request(method, path, data=None if body is None else io.BytesIO(body)) as response:
        error = await response.json()
        conforms("ErrorResponse", error)
        assert (response.status, error["error"]["code"]) == (status, code)


async def test_a_failing_labeller_is_a_500(connect):
    """An error of ours is a 500 in the same shape and does not tell what went wrong inside."""
    client = await connect(FirstLabeller(failing=True))
    async with client.post("/v1/chat/completions", json=CHAT) as response:
        assert response.status == 500
        assert "out of order" not in await response.text()


async def test_the_key_is_asked_for(connect):
    """With a key set, everything but the health check needs it."""
    client = await connect(api_key="s3cret-ключ")
    for path, key, status in (("/healthz", None, 200), ("/v1/models", None, 401), ("/v1/models", "wrong", 401)):
        async with client.get(path, headers={"Authorization": f"Bearer {key}"} if key else {}) as response:
            assert response.status == status
    async with client.get("/v1/models", headers={"Authorization": "Bearer s3cret-ключ"}) as response:
        assert response.status == 200


async def test_the_model_says_what_it_is(connect, conforms):
    """The model's own page tells its owner and that no end is planned."""
    client = await connect()
    async with client.get(f"/v1/models/{MODEL_ID}") as response:
        model = await response.json()
    conforms("Model", model)
    assert (model["owned_by"], model["shutdown_date"]) == ("nanotriage-local", None)


async def test_items_of_one_call_are_shared_among_threads(connect):
    """One call with several items is worked on by two threads at once, and its answers keep the items' order."""
    client = await connect(FirstLabeller(together=2))
    item = {"ref": {"type": "string"}, "a": {"type": "string", "enum": ["A", "B"]}}
    inner = {"type": "object", "properties": item, "required": ["ref", "a"], "additionalProperties": False}
    schema = {
        "type": "object",
        "properties": {"r": {"type": "array", "items": inner}},
        "required": ["r"],
        "additionalProperties": False,
    }
    refs = [f"r{place}" for place in range(7)]
    user = orjson.dumps({"items": [{"ref": ref, "text": "x"} for ref in refs]}).decode()
    chat = CHAT | {
        "messages": [{"role": "user", "content": user}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "t", "strict": True, "schema": schema}},
    }
    async with client.post("/v1/chat/completions", json=chat) as response:
        content = (await response.json())["choices"][0]["message"]["content"]
    assert [one["ref"] for one in orjson.loads(content)["r"]] == refs


async def test_decisions_are_of_the_shape_the_package_knows(connect):
    """Predicates, choices and scores are answered in the order asked, with the members of the openai package's types."""
    client = await connect()
    questions = [
        {"type": "predicate", "instructions": "the customer is angry", "name": "angry"},
        {"type": "choice", "instructions": "which?", "choices": [{"value": "refund"}, {"value": True, "description": "yes"}]},
        {"type": "score", "instructions": "how urgent?", "levels": [{"label": "low"}, {"label": "mid"}, {"label": "high"}]},
    ]
    request = {"model": MODEL_ID, "input": "give me my money back", "questions": questions}
    async with client.post("/v1/decisions", json=request) as response:
        assert response.status == 200
        decision = Decision.model_validate(await response.json())
    angry, which, urgent = decision.answers
    assert (angry.type, angry.name) == ("predicate", "angry")
    assert angry.probability == pytest.approx(2 / 3)
    assert (which.choice, which.name) == ("refund", None)
    assert [one.value for one in which.probabilities] == ["refund", True]
    assert urgent.score == pytest.approx((0 * 4 + 1 * 2 + 2 * 1) / 7)
    assert [(one.label, one.value) for one in urgent.probabilities] == [("low", 0), ("mid", 1), ("high", 2)]


@pytest.mark.parametrize(
    "change",
    [
        {"input": ""},
        {"questions": []},
        {"questions": [{"type": "guess", "instructions": "x"}]},
        {"questions": [{"type": "choice", "instructions": "x", "choices": [{"value": "one"}]}]},
        {"questions": [{"type": "choice", "instructions": "x", "choices": [{"value": "one"}, {"value": "one"}]}]},
        {"questions": [{"type": "score", "instructions": "x", "levels": [{"label": 1}, {"label": 2}]}]},
        {"input": "x" * 600_000},
    ],
)
async def test_wrong_decisions_are_refused(connect, change):
    """A question that cannot be answered is refused with 400."""
    client = await connect()
    question = {"type": "predicate", "instructions": "x"}
    async with client.post(
        "/v1/decisions", json={"model": MODEL_ID, "input": "x", "questions": [question]} | change
    ) as response:
        assert response.status == 400
