"""Classifying is total: any status, headers and bytes have one meaning, and never an exception."""

import hypothesis.strategies as st
import orjson
from hypothesis import given

from schemas.verdict import Decision
from workers.asking.classify import classify
from workers.asking.model import Answer, Barred, Broken, Call, Refused, TooBig, TryAgain, Unclear, Wire

MEANINGS = (Answer, Barred, Broken, Refused, TooBig, TryAgain, Unclear)
NUMBERS = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = (
    st.none() | st.booleans() | NUMBERS | st.text(max_size=20) | st.sampled_from(["nan", "inf", "-9999", "insufficient_quota"])
)
JSON = st.recursive(
    SCALARS, lambda c: st.lists(c, max_size=4) | st.dictionaries(st.text(max_size=5), c, max_size=4), max_leaves=8
)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "x-request-id", "x-ratelimit-limit-tokens", "x-ratelimit-reset-tokens"]),
    st.text(max_size=40)
    | st.sampled_from(["-1", "NaN", "1e400", "0", "1_0", "Tue, 14 Nov 2023 22:13:50 GMT", "Fri, 31 Dec 9999 23:59:59 -2359"]),
)
STATUS = st.sampled_from([200, 204, 302, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 503]) | st.integers(100, 599)


def some(**parts):
    """Return objects that may lack any of the parts, or have noise in their place."""
    return st.fixed_dictionaries({}, optional={name: part | JSON for name, part in parts.items()})


BYTES = st.lists(st.integers(-1, 300), max_size=3)
ALTERNATIVE = some(token=st.text(max_size=3), logprob=NUMBERS, bytes=BYTES)
TOKEN = some(token=st.text(max_size=3), logprob=NUMBERS, bytes=BYTES, top_logprobs=st.lists(ALTERNATIVE, max_size=2))
CHOICE = some(
    message=some(content=st.text(), refusal=st.none()),
    finish_reason=st.sampled_from(["stop", "length", "content_filter"]),
    logprobs=some(content=st.lists(TOKEN, max_size=3)),
)
USAGE = some(prompt_tokens=NUMBERS, completion_tokens=NUMBERS, prompt_tokens_details=some(cached_tokens=NUMBERS))
ERROR = some(code=SCALARS, type=SCALARS, message=st.text())
BODY = some(choices=st.lists(CHOICE, max_size=2), usage=USAGE, model=st.text(), id=st.text(), error=ERROR)


LABELS = st.sampled_from(["cancel", "track", "unknown"])
ROW = some(value=LABELS, probability=st.sampled_from([0, 0.5, 1]) | NUMBERS)
ONE = some(
    type=st.sampled_from(["choice", "refusal"]),
    name=st.none() | st.sampled_from(["intent", "mood"]),
    choice=LABELS,
    probabilities=st.lists(ROW, max_size=3) | st.dictionaries(LABELS, NUMBERS, max_size=3),
)
ANSWERS = st.lists(ONE, min_size=2, max_size=2) | st.dictionaries(st.sampled_from(["intent", "mood"]), ONE)
DECIDED = some(
    answers=ANSWERS, model=st.text(), usage=some(input_tokens=NUMBERS, input_tokens_details=some(cached_tokens=NUMBERS))
)
COMPLETION = Call(b"", ("k3f9",))
CALLS = st.sampled_from([Call(b"", ("k3f9",), wire, () if wire is Wire.CHAT else ("intent", "mood")) for wire in Wire])


def checked(status, headers, body, now, call):
    result = classify(status, headers, body, now, call)
    assert isinstance(result, MEANINGS)
    if isinstance(result, TryAgain) and result.after_seconds is not None:
        assert 0 <= result.after_seconds < float("inf")
    if isinstance(result, Answer):
        assert status == 200
        assert 0 <= result.usage.cached <= result.usage.input
        assert result.usage.output >= 0
        assert all(isinstance(token.text, bytes) for token in result.tokens)
        for decision in result.decided.get("k3f9", {}).values():
            assert isinstance(decision, Decision)
            assert decision.distribution is None or 0.97 < sum(decision.distribution.values()) < 1.03
    return result


@given(STATUS, HEADERS, st.binary(max_size=200), st.floats(0, 1e10), CALLS)
def test_any_bytes_have_a_meaning(status, headers, body, now, call):
    """Noise from a network is a fault, never an exception."""
    checked(status, headers, body, now, call)


@given(STATUS, HEADERS, BODY | DECIDED | JSON, st.floats(0, 1e10), CALLS)
def test_any_json_has_a_meaning(status, headers, body, now, call):
    """So is JSON of nearly the right shape, on every wire."""
    checked(status, headers, orjson.dumps(body, option=orjson.OPT_PASSTHROUGH_SUBCLASS), now, call)


@given(STATUS, st.binary(max_size=40), st.sampled_from([b"[", b'{"error":', b'{"error":{"code":[', b'{"choices":[']))
def test_deep_nesting_has_a_meaning(status, tail, opening):
    """As deep as the parser goes and deeper, closed or not."""
    for depth in (900, 1020, 100_000):
        checked(status, {}, opening + b"[" * depth + tail, 0.0, COMPLETION)
        checked(status, {}, b'{"error":{"code":' + b"[" * depth + b"]" * depth + b',"message":"x"}}', 0.0, COMPLETION)


@given(st.integers(100, 599), BODY | JSON)
def test_no_provider_trouble_is_blamed_on_a_message(status, body):
    """A throttled, conflicting or unavailable provider gives no verdict on a text, unless it names the text's fault by a code."""
    if status in {408, 409, 425, 429, 503} or status > 503:
        error = body.get("error") if isinstance(body, dict) else None
        coded = isinstance(error, dict) and (error.get("code") or error.get("type"))
        result = checked(status, {}, orjson.dumps(body), 0.0, COMPLETION)
        assert coded or isinstance(result, TryAgain | TooBig)
        assert coded or status > 503 or isinstance(result, TryAgain)
