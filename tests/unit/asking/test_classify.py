"""What every kind of HTTP response means, case by case; `tests/properties/test_classify.py` shows that there is no other."""

import orjson
import pytest

from workers.asking.classify import classify, retry_after_seconds
from workers.asking.model import Answer, Barred, Broken, Refused, Token, TooBig, Trouble, TryAgain, Unclear, Usage

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


def completion(**changes):
    """Return a good body; `changes` replace parts of it, by dotted place."""
    body = {
        "id": "chatcmpl-1",
        "model": "nano",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "{}", "refusal": None}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 64}},
    }
    return body | changes


def choice(**changes):
    return completion(choices=[completion()["choices"][0] | changes])


def meaning(body, status=200, headers=()):
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return classify(status, dict(headers), raw, NOW)


def error(message="", code=None, kind=None):
    return {"error": {"message": message, "code": code, "type": kind}}


def test_a_good_answer_has_its_content_counts_and_names():
    """Content, tokens in and out, the cached part, the model and the request's id."""
    answer = meaning(completion(), headers={"x-request-id": "req-9"})
    assert answer == Answer("{}", False, (), Usage(100, 64, 7), "nano", "req-9")
    assert meaning(completion()).request_id == "chatcmpl-1"


def test_an_answer_cut_by_length_says_so():
    """Its complete items can still be read."""
    assert meaning(choice(finish_reason="length")).cut
    assert not meaning(choice(finish_reason="stop")).cut


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Please log in.</body></html>",
        b"[]",
        b"7",
        b"null",
        b'"text"',
        b"\xff\xfe",
        orjson.dumps(completion())[:-9],
    ],
)
def test_a_200_that_is_no_json_object_is_the_providers_fault(body):
    """A captive portal, a proxy's page, half an answer: asked again, and no message pays for it."""
    assert isinstance(meaning(body), TryAgain)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"error": None},
        {"error": {}},
        completion(choices=[]),
        completion(choices=None),
        completion(choices=[7]),
        completion(choices={"0": {}}),
        choice(message=None),
        choice(message="text"),
        choice(message={"content": None}),
        choice(message={"content": [{"type": "text", "text": "{}"}]}),
        completion(choices=completion()["choices"] * 2),
        choice(message={"content": None, "tool_calls": [{"type": "function"}]}, finish_reason="tool_calls"),
        choice(message={"content": None, "function_call": {"name": "label"}}, finish_reason="function_call"),
    ],
)
def test_a_200_without_content_is_broken(body):
    """The route answered, and there is nothing to read."""
    assert isinstance(meaning(body), Broken)


STREAM = b'data: {"choices":[{"delta":{"content":"{}"}}]}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize("body", [STREAM, b"\n" + STREAM, b"event: message\n" + STREAM, b": keep-alive\n\n" + STREAM])
def test_a_stream_that_nobody_asked_for_stops_the_intake(body):
    """No later answer would be whole either, so asking again for ever helps nobody."""
    assert isinstance(meaning(body), Barred)


def test_numbers_that_no_standard_knows_spoil_only_what_they_count():
    """Servers in Python write NaN and Infinity: the counts are unknown then, and the answer is as good as any."""
    spoilt = orjson.dumps(completion()).replace(b":100", b":NaN").replace(b":7,", b":Infinity,").replace(b":64", b":-Infinity")
    assert meaning(spoilt) == Answer("{}", False, (), Usage(), "nano", "chatcmpl-1")
    half = orjson.dumps(choice(message={"content": "X"})).replace(b'"X"', b'"\\ud83d NaN"')
    assert isinstance(meaning(half), TryAgain)
    assert isinstance(meaning(b'{"NaN":' * 100_000), TryAgain)


def test_a_logprob_of_minus_infinity_is_one_of_nothing():
    """As OpenAI writes it, -9999: who uses it finds it impossible, and the tokens beside it stay."""
    row = {"token": "A", "logprob": 0.0, "top_logprobs": [{"token": "A", "logprob": 0.0}, {"token": "B", "logprob": 123456}]}
    spoilt = orjson.dumps(choice(logprobs={"content": [row]})).replace(b"123456", b"-Infinity")
    assert meaning(spoilt).tokens == [Token(b"A", 0.0, [(b"A", 0.0), (b"B", -9999.0)])]


def test_the_tier_that_served_is_told():
    """It may be another than was asked for."""
    assert meaning(completion(service_tier="flex")).tier == "flex"
    assert meaning(completion(service_tier=7)).tier in ("", "7")


def test_a_good_answer_needs_no_name_of_its_own():
    """Neither a request id nor a model's name nor counts: they are unknown then."""
    bare = {key: value for key, value in completion().items() if key == "choices"}
    assert meaning(bare) == Answer("{}", False, (), Usage(), "", "")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (choice(**error("provider died in the middle", code=502)), TryAgain),
        (choice(**error("filtered", code="content_filter")), Refused),
        (error("upstream failed", code=502), TryAgain),
        (error("slow down", code=429), TryAgain),
        (error("no status"), TryAgain),
        (error("no status", code=True), TryAgain),
        ({"error": "overloaded"}, TryAgain),
        (completion(**error("provider died in the middle", code=503)), TryAgain),
        (error("bad", code=400), Unclear),
        (error("moderated", code=403), Unclear),
        (error("no key", code=401), Barred),
        (error("broke", code=402), Barred),
        (error("broke", code="insufficient_quota"), Barred),
        (error("filtered", code="content_filter"), Refused),
        (error("long", code="context_length_exceeded"), TooBig),
    ],
)
def test_an_error_inside_a_200_is_read_as_the_error_it_is(body, kind):
    """OpenRouter documents this; without a status of its own it is the provider's."""
    assert isinstance(meaning(body), kind)


def test_a_refusal_and_a_content_filter_are_refusals():
    """Both say that this content is not answered here."""
    assert isinstance(meaning(choice(message={"content": None, "refusal": "I cannot help with that."})), Refused)
    assert isinstance(meaning(choice(finish_reason="content_filter")), Refused)
    assert isinstance(meaning(choice(message={"content": "", "refusal": ""})), Answer)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 501, 502, 503, 504, 520, 529, 599])
def test_waiting_helps(status):
    """Limits, conflicts and server errors are asked again, whatever the body is."""
    assert isinstance(meaning(b"", status), TryAgain)
    assert isinstance(meaning(error("please wait"), status), TryAgain)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "message",
    ["Too many tokens, please wait before trying again.", "Request would exceed the maximum context tokens per minute"],
)
def test_a_limit_on_tokens_per_minute_is_not_a_text_that_is_too_big(status, message):
    """Bedrock says `too many tokens` when it throttles; halving would end in dead letters."""
    assert isinstance(meaning(error(message), status), TryAgain)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (413, b""),
        (400, error("", code="context_length_exceeded")),
        (400, error("", code="string_above_max_length")),
        (400, error("This model's maximum context length is 4096 tokens.")),
        (400, error("the request exceeds the available context size", kind="exceed_context_size_error")),
        (422, error("inputs have too many tokens")),
        (500, error("the request exceeds the available context size")),
        (400, {"error": "prompt exceeds context length"}),
    ],
)
def test_a_question_that_does_not_fit_is_too_big(status, body):
    """By status, by code and by the sentences of servers without codes."""
    assert isinstance(meaning(body, status), TooBig)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b""),
        (402, b""),
        (404, b""),
        (429, error("You exceeded your current quota", code="insufficient_quota")),
        (429, error("", kind="insufficient_quota")),
        (429, error("", code="credit_balance_exhausted")),
        (400, error("", code="invalid_api_key")),
        (400, error("", code="model_not_found")),
        (403, error("", code="billing_hard_limit_reached")),
    ],
)
def test_an_accounts_fault_bars(status, body):
    """The code decides before the status: a spent quota is a 429, and waiting does not help."""
    assert isinstance(meaning(body, status), Barred)


@pytest.mark.parametrize("status", [204, 301, 302, 307, 400, 403, 405, 406, 410, 415, 421, 422, 451])
def test_any_other_status_has_two_possible_owners(status):
    """A 403 may be a moderated text, a 400 the set-up: a harmless question must tell."""
    assert isinstance(meaning(b"", status), Unclear)


def test_what_a_texts_fault_says_quotes_no_text():
    """The provider's sentence may quote the message; it stays out of `why`."""
    unclear = meaning(error("Invalid text: my secret", code="invalid_prompt"), 400)
    assert (unclear.why, unclear.said) == ("HTTP 400 invalid_prompt", "Invalid text: my secret")
    for body in (error("my secret", code="content_filter"), error("my secret: maximum context")):
        assert "secret" not in meaning(body, 400).why


def test_an_operators_sentence_is_one_short_line():
    """Whatever the provider writes."""
    for fault in (
        meaning(error("a\n" * 5_000, code="b\n" * 5_000), 500),
        meaning(error("x" * 9_999, code="invalid_api_key"), 401),
    ):
        assert "\n" not in fault.why
        assert len(fault.why) < 400


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "56"}, 56.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "1e9"}, 1e9),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0.0),
        ({"retry-after": "Tue, 99 Nov 2023 22:00:00 GMT"}, None),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "-1", "retry-after": "9"}, 9.0),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers, seconds):
    """Milliseconds, seconds, dates; nonsense is none."""
    assert retry_after_seconds(headers, NOW) == seconds
    assert meaning(b"", 429, headers).after_seconds == seconds


TOKEN = {"token": "A", "logprob": -0.1, "bytes": [65], "top_logprobs": [{"token": "A", "logprob": -0.1, "bytes": [65]}]}


def tokens(*content):
    return meaning(choice(logprobs={"content": list(content)})).tokens


def test_tokens_carry_their_bytes():
    """`bytes` wins over `token`, whose text is broken within a character; without bytes the text is taken."""
    half = {"token": "\\xc3", "logprob": -1, "bytes": [0xC3], "top_logprobs": []}
    plain = {"token": "é", "logprob": -2.5, "bytes": None}
    assert tokens(TOKEN, half, plain) == [
        Token(b"A", -0.1, [(b"A", -0.1)]),
        Token(b"\xc3", -1.0, []),
        Token("é".encode(), -2.5, []),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        7,
        None,
        {},
        {"token": "A"},
        {"logprob": -1},
        {"token": None, "logprob": -1},
        {**TOKEN, "logprob": None},
        {**TOKEN, "logprob": "much"},
        {**TOKEN, "bytes": [256]},
        {**TOKEN, "bytes": ["A"]},
        {**TOKEN, "top_logprobs": 5},
        {**TOKEN, "top_logprobs": [None]},
        {**TOKEN, "top_logprobs": {"A": -1}},
        {**TOKEN, "top_logprobs": [{"token": "A"}]},
    ],
)
def test_one_malformed_token_means_no_tokens_and_still_an_answer(bad):
    """A partial list would be read at the wrong places."""
    assert tokens(TOKEN, bad, TOKEN) == ()


def test_a_number_of_bytes_is_not_taken_for_bytes():
    """`bytes(1_000_000_000_000)` would be a terabyte of zeros."""
    assert tokens({**TOKEN, "bytes": 1_000_000_000_000})[0].text == b"A"


@pytest.mark.parametrize("logprobs", [None, 7, [], {}, {"content": None}, {"content": {}}])
def test_missing_logprobs_are_no_tokens(logprobs):
    """A route without log-probabilities answers all the same."""
    assert meaning(choice(logprobs=logprobs)).tokens == ()


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (None, Usage()),
        ([], Usage()),
        ({}, Usage()),
        ({"prompt_tokens": "9", "completion_tokens": True}, Usage()),
        ({"prompt_tokens": -9, "completion_tokens": 2.5}, Usage()),
        ({"prompt_tokens": 9, "prompt_tokens_details": None}, Usage(9, 0, 0)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}, Usage(9, 4, 0)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 400}}, Usage(9, 9, 0)),
    ],
)
def test_usage_counts_are_whole_and_cached_is_part_of_input(usage, counts):
    """A cost is never negative: counters refuse to go down."""
    assert meaning(completion(usage=usage)).usage == counts


@pytest.mark.parametrize(
    ("status", "code", "trouble"),
    [
        (429, None, Trouble.LIMIT),
        (429, "rate_limit_exceeded", Trouble.LIMIT),
        (429, "slow_down", Trouble.SLOW_DOWN),
        (503, "slow_down", Trouble.SLOW_DOWN),
        (503, None, Trouble.FAULT),
        (500, "server_error", Trouble.FAULT),
        (529, "overloaded_error", Trouble.FAULT),
    ],
)
def test_the_code_tells_a_limit_from_a_fault(status, code, trouble):
    """Limits hold every call back; a fault is the call's own to wait off."""
    assert meaning({"error": {"code": code, "message": "x"}}, status).trouble is trouble


@pytest.mark.parametrize("status", [200, 429, 500])
def test_what_is_told_of_limits_is_read_from_answers_and_refusals(status):
    """Both carry the headers."""
    headers = {"x-ratelimit-limit-tokens": "1000", "x-ratelimit-remaining-tokens": "10"}
    body = completion() if status == 200 else {"error": {"code": None}}
    assert meaning(body, status, headers).allowances.tokens.remaining == 10
