"""Every format of rate-limit headers seen in the wild, and noise."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from workers.allowance import UNTOLD, Allowance, Allowances
from workers.asking.rate_headers import read_allowances, reset_seconds

NOW = 1_795_000_000.0
OPENAI = {
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-limit-tokens": "200000",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-remaining-tokens": "198500",
    "x-ratelimit-reset-requests": "120ms",
    "x-ratelimit-reset-tokens": "6m0s",
}
SEEN = {
    "openai": (OPENAI, Allowance(500, 499, 0.12), Allowance(200_000, 198_500, 360)),
    "openai, a tighter project": (
        OPENAI
        | {
            "x-ratelimit-limit-project-tokens": "1000",
            "x-ratelimit-remaining-project-tokens": "0",
            "x-ratelimit-reset-project-tokens": "1h2m3.5s",
        },
        Allowance(500, 499, 0.12),
        Allowance(1_000, 0, 3_723.5),
    ),
    "azure": (
        {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "10"},
        Allowance(60, 59, 10),
        Allowance(),
    ),
    "azure, unknown": (
        {
            "x-ratelimit-limit-requests": "-1",
            "x-ratelimit-remaining-requests": "-1",
            "x-ratelimit-limit-tokens": "0",
            "x-ratelimit-remaining-tokens": "0",
        },
        Allowance(),
        Allowance(),
    ),
    "azure, remaining only": (
        {"x-ratelimit-remaining-tokens": "73411", "x-ratelimit-remaining-requests": "-1"},
        Allowance(),
        Allowance(None, 73_411),
    ),
    "anthropic": (
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2026-11-18T08:26:42Z",
            "anthropic-ratelimit-tokens-limit": "80000",
            "anthropic-ratelimit-tokens-remaining": "79000",
            "anthropic-ratelimit-tokens-reset": "2026-11-18T08:27:20+00:00",
        },
        Allowance(50, 49, 1_794_990_402 - NOW if NOW < 1_794_990_402 else 0.0),
        Allowance(80_000, 79_000, 0.0),
    ),
    "groq": (
        {
            "x-ratelimit-limit-requests": "14400",
            "x-ratelimit-remaining-requests": "14370",
            "x-ratelimit-reset-requests": "2m59.56s",
            "x-ratelimit-limit-tokens": "18000",
            "x-ratelimit-remaining-tokens": "17997",
            "x-ratelimit-reset-tokens": "7.66s",
        },
        Allowance(14_400, 14_370, 179.56),
        Allowance(18_000, 17_997, 7.66),
    ),
    "cerebras": (
        {
            "x-ratelimit-limit-requests-day": "1440000",
            "x-ratelimit-remaining-requests-day": "1438000",
            "x-ratelimit-reset-requests-day": "33011.382867813",
            "x-ratelimit-limit-tokens-minute": "60000",
            "x-ratelimit-remaining-tokens-minute": "59000",
            "x-ratelimit-reset-tokens-minute": "11.382867813",
        },
        Allowance(1_440_000, 1_438_000, 33_011.382867813, 86_400),
        Allowance(60_000, 59_000, 11.382867813, 60),
    ),
    "mistral": (
        {"ratelimitbysize-limit": "500000", "ratelimitbysize-remaining": "499900", "ratelimitbysize-reset": "22"},
        Allowance(),
        Allowance(500_000, 499_900, 22),
    ),
    "openrouter": (
        {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795000030000"},
        Allowance(20, 0, 30),
        Allowance(),
    ),
    "ietf draft 06": (
        {
            "ratelimit-limit": "100, 100;w=60",
            "ratelimit-remaining": "50",
            "ratelimit-reset": "50",
            "ratelimit-policy": "100;w=60",
        },
        Allowance(100, 50, 50, 60),
        Allowance(),
    ),
    "ietf draft 07": (
        {"ratelimit": "limit=100, remaining=50, reset=5", "ratelimit-policy": "100;w=10"},
        Allowance(100, 50, 5, 10),
        Allowance(),
    ),
    "ietf draft 08": (
        {"ratelimit": '"default";r=50;t=30', "ratelimit-policy": '"default";q=100;w=60,"day";q=1000;w=86400'},
        Allowance(100, 50, 30, 60),
        Allowance(),
    ),
    "none": ({"content-type": "application/json", "retry-after": "3"}, Allowance(), Allowance()),
}


@pytest.mark.parametrize(("headers", "requests", "tokens"), SEEN.values(), ids=SEEN.keys())
def test_every_format_is_read(headers, requests, tokens):
    """As the provider's own pages and answers show it."""
    assert read_allowances(headers, NOW) == Allowances(requests, tokens)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("20ms", 0.02),
        ("6m0s", 360),
        ("1h2m3.5s", 3_723.5),
        ("2d", 172_800),
        ("15", 15),
        ("0", 0),
        ("1795000010", 10),
        ("1795000010500", 10.5),
        ("2026-11-18T12:00:00Z", None),
        ("soon", None),
        ("-1", None),
        ("1s2", None),
        ("", None),
        (None, None),
    ],
)
def test_resets_are_durations_numbers_or_moments(text, seconds):
    """A moment that has passed is now; what cannot be read was not told."""
    found = reset_seconds(text, NOW)
    if text is not None and text.endswith("Z"):
        assert found is not None
        assert found >= 0
    else:
        assert found == (pytest.approx(seconds) if seconds is not None else None)


NAMES = sorted({name for headers, _, _ in SEEN.values() for name in headers})
VALUES = st.text(max_size=30) | st.sampled_from([v for headers, _, _ in SEEN.values() for v in headers.values()])


@given(st.dictionaries(st.sampled_from(NAMES), VALUES), st.floats(0, 1e10))
def test_noise_is_never_an_exception(headers, now):
    """Whatever stands in the headers, counts are not negative, limits not zero, and a share is within [0, 1]."""
    told = read_allowances(headers, now)
    for one in (told.requests, told.tokens):
        assert all(value is None or 0 <= value < float("inf") for value in (one.limit, one.remaining, one.reset_seconds))
        assert one.limit is None or one.limit > 0
        assert one.window_seconds is None or one.window_seconds > 0
        assert one.left is None or 0 <= one.left <= 1
        assert one.per_minute is None or one.per_minute > 0
    assert told.told == (told != UNTOLD)


def test_a_day_is_no_minute():
    """A limit whose reset lies beyond a minute, or whose window is told as longer, sets no pace."""
    assert Allowance(14_400, 14_370, 179.56).per_minute is None
    assert Allowance(1_000, 1, 20, 86_400).per_minute is None
    assert Allowance(1_000, 1, 20, 86_400).left is None
    assert Allowance(10, 5, 0.5, 1).per_minute == 600
