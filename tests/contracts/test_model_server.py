"""What any OpenAI-compatible route must do for the worker, held against the local classifier and a real llama.cpp."""

import json
import math
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import jsonschema
import pytest

from tests.helpers import wait_until
from tests.modelserver_fixtures import classifier_server, conforms, llama_server, model_data, model_server
from topics.embedded.process import Process

__all__ = ["classifier_server", "conforms", "llama_server", "model_data", "model_server"]

SYSTEM = """You triage messages.

## Fields
### intent (label)
What the customer wants.
A = cancel_order: the customer wants to cancel an order
B = track_order: the customer asks where an order is
Z = unknown: none of these, or the text does not say
### order_id (extract string)
Number of an order. Pattern: [0-9]{4,15}

## Reply
Reply with one JSON object.
"""
ITEM = {
    "type": "object",
    "properties": {
        "ref": {"type": "string"},
        "intent": {"type": "string", "enum": ["A", "B", "Z"]},
        "order_id": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["ref", "intent", "order_id"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {"r": {"type": "array", "items": ITEM}},
    "required": ["r"],
    "additionalProperties": False,
}
PROBE = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red", "green"]}},
    "required": ["colour"],
    "additionalProperties": False,
}


def call(server, path, body=None, method=None):
    """Return status, headers and JSON of a request to the server."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.base_url + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, json.loads(error.read())


def chat(server, schema=SCHEMA, user=None, **more):
    items = {"items": [{"ref": "k3f9", "text": "please cancel order 113542617735902"}]}
    return {
        "model": server.model,
        "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user or json.dumps(items)}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "triage", "strict": True, "schema": schema}},
        "max_completion_tokens": 200,
        "temperature": 0,
        **more,
    }


def completed(body):
    """Return the response with the null members that OpenAI always sends and llama.cpp leaves out."""
    (choice,) = body["choices"]
    message = {"refusal": None} | choice["message"]
    return body | {"choices": [{"logprobs": None} | choice | {"message": message}]}


def test_the_model_is_listed(model_server, conforms):
    """The list of models holds the one that is served, in OpenAI's shape."""
    status, _, body = call(model_server, "/models")
    assert status == 200
    conforms("ListModelsResponse", body)
    assert [model["id"] for model in body["data"]] == [model_server.model]


def test_a_strict_schema_is_kept(model_server, conforms):
    """Request and response are OpenAI's, and the content is JSON of the schema that was sent."""
    request = chat(model_server, PROBE, "my favourite is green", max_completion_tokens=60)
    conforms("CreateChatCompletionRequest", request)
    status, _, body = call(model_server, "/chat/completions", request)
    assert status == 200
    conforms("CreateChatCompletionResponse", body if "refusal" in body["choices"][0]["message"] else completed(body))
    assert body["choices"][0]["finish_reason"] == "stop"
    jsonschema.validate(json.loads(body["choices"][0]["message"]["content"]), PROBE)
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"]


def test_logprobs_come_as_asked(model_server, conforms):
    """Each token has its log-probability, its bytes, and the alternatives asked for, the most probable first."""
    _, _, body = call(model_server, "/chat/completions", chat(model_server, PROBE, "green", logprobs=True, top_logprobs=3))
    tokens = body["choices"][0]["logprobs"]["content"]
    assert tokens
    for token in tokens:
        conforms("ChatCompletionTokenLogprob", token)
        assert token["logprob"] <= 1e-6
        assert bytes(token["bytes"]) == token["token"].encode()
        alternatives = [alternative["logprob"] for alternative in token["top_logprobs"]]
        assert 1 <= len(alternatives) <= 3
        assert alternatives == sorted(alternatives, reverse=True)


def test_too_few_tokens_cut_the_answer(model_server):
    """An answer that does not fit into the tokens allowed says so, and counts what was written."""
    status, _, body = call(model_server, "/chat/completions", chat(model_server, max_completion_tokens=3))
    assert status == 200
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 3


def test_too_much_context_is_refused(model_server):
    """A message that is longer than the context is refused with 400 and a reason."""
    user = json.dumps({"items": [{"ref": "k3f9", "text": "refund " * 80_000}]})
    status, _, body = call(model_server, "/chat/completions", chat(model_server, user=user))
    assert status == 400
    assert "context" in body["error"]["message"]


@pytest.mark.parametrize(
    "schema",
    [{"type": "nonsense"}, {"type": "object", "properties": {"a": {"type": "colour"}}, "required": ["a"]}],
    ids=["root", "property"],
)
def test_a_bad_schema_is_refused(model_server, schema):
    """A schema with an unknown type is refused with 400, not ignored."""
    status, _, body = call(model_server, "/chat/completions", chat(model_server, schema))
    assert status == 400
    assert body["error"]["message"]


def test_the_server_ends_with_a_starter_that_is_killed(model_data):
    """kill -9 of the process that started a server ends the server too."""
    script = (
        "import sys, time; from pathlib import Path\n"
        "from workers.modelserver.local_model import LocalModel\n"
        "from workers.modelserver.options import Kind, ModelOptions\n"
        f"model = LocalModel(ModelOptions(Kind.RANDOM, data=Path({str(model_data)!r})))\n"
        "model.start(); print(model.process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as starter:
        process = Process.of(int(starter.stdout.readline()))
        assert process is not None
        starter.send_signal(signal.SIGKILL)
        starter.wait()
        try:
            wait_until(lambda: not process.alive())
        finally:
            process.send(signal.SIGKILL)


@pytest.mark.local_model
def test_the_tokens_are_the_content(classifier_server):
    """The classifier's tokens joined are the content, a code is one token, and all codes' probabilities add up to one."""
    _, _, body = call(classifier_server, "/chat/completions", chat(classifier_server, logprobs=True, top_logprobs=20))
    choice = body["choices"][0]
    tokens = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == choice["message"]["content"]
    code = next(token for token in tokens if token["token"] == "A")
    assert {one["token"] for one in code["top_logprobs"]} == {"A", "B", "Z"}
    assert math.isclose(sum(math.exp(one["logprob"]) for one in code["top_logprobs"]), 1.0, abs_tol=1e-6)


@pytest.mark.local_model
def test_it_reads_the_message(classifier_server):
    """Labels and values come from the text, not from the prompt alone."""
    texts = ["please cancel order 113542617735902", "where is my order 4711?"]
    user = json.dumps({"items": [{"ref": f"r{place}", "text": text} for place, text in enumerate(texts)]})
    _, _, body = call(classifier_server, "/chat/completions", chat(classifier_server, user=user))
    assert json.loads(body["choices"][0]["message"]["content"])["r"] == [
        {"ref": "r0", "intent": "A", "order_id": "113542617735902"},
        {"ref": "r1", "intent": "B", "order_id": "4711"},
    ]
