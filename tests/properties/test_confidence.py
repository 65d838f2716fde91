"""Confidence is a probability: between 0 and 1, at most 1 over all labels, and the softmax where the codes are all there is."""

from itertools import pairwise
from math import exp, log

import hypothesis.strategies as st
import pytest
from hypothesis import given

from schemas.fields import LabelField
from schemas.reply import code_book
from schemas.verdict import Confidence, NotScored
from workers.judging.confidence import Scorer, text_spans


def book(labels):
    return code_book(LabelField(kind="label", labels={f"l{i}": "" for i in range(labels)}))


BOOKS = st.sampled_from([book(2), book(12), book(25), book(40), book(120)])
LOGPROBS = st.floats(-30, 0)


def scored(codes, content, tokens):
    (signals,) = Scorer({"intent": codes}).score(content, tokens, 1)
    return signals["intent"]


def answer(code, rows):
    """Return content and tokens: `rows` are the alternatives of each token of the code, the chosen one first."""
    raw = [b'{"r":[{"ref":"r","intent":"', *(row[0][0] for row in rows), b'"}]}']
    head, tail = ((text, 0.0, [(text, 0.0)]) for text in (raw[0], raw[-1]))
    assert b"".join(raw[1:-1]).strip(b'"') == code.encode()
    return b"".join(raw).decode(), [head, *((row[0][0], row[0][1], row) for row in rows), tail]


@given(BOOKS, st.data())
def test_it_is_the_softmax_when_the_alternatives_are_exactly_the_codes(codes, data):
    """One token per code: exp(logprob) over the sum of all."""
    logprobs = {c.encode(): data.draw(LOGPROBS) for c in codes.codes}
    code = data.draw(st.sampled_from(codes.codes))
    chosen = (code.encode(), logprobs[code.encode()])
    signal = scored(codes, *answer(code, [[chosen, *((c, p) for c, p in logprobs.items() if c != chosen[0])]]))
    assert signal.probability == pytest.approx(exp(chosen[1]) / sum(map(exp, logprobs.values())))
    assert 0 <= signal.mass <= 1


@st.composite
def digit_model(draw):
    """Return a distribution over the tokens that may stand at each place of a code, some of several characters."""
    codes = draw(BOOKS)
    shares: dict[bytes, list[tuple[bytes, float]]] = {}

    def at(done: bytes) -> list[tuple[bytes, float]]:
        if done not in shares:
            rests = {c.encode()[len(done) :] for c in codes.codes if c.encode().startswith(done)}
            texts = sorted({rest[:n] for rest in rests for n in range(1, len(rest) + 1)} | {b"x", b"cancel"})
            kept = draw(st.lists(st.sampled_from(texts), min_size=1, max_size=8, unique=True))
            weights = [draw(st.integers(1, 100)) for _ in kept]
            total = sum(weights) * draw(st.floats(1, 2))
            shares[done] = [(text, log(weight / total)) for text, weight in zip(kept, weights, strict=True)]
        return shares[done]

    return codes, at


def walks(codes, at):
    """Return, for each code that greedy writing of the longest listed token can spell, its rows of alternatives."""
    for code in codes.codes:
        rows, done = [], b""
        while done != code.encode():
            rest = code.encode()[len(done) :]
            fits = [row for row in at(done) if rest.startswith(row[0])]
            if not fits:
                break
            chosen = max(fits, key=lambda row: len(row[0]))
            rows.append([chosen, *(row for row in at(done) if row != chosen)])
            done += chosen[0]
        else:
            yield code, rows


@given(digit_model())
def test_over_all_labels_it_sums_to_at_most_one(model):
    """However codes are cut into tokens, one distribution cannot make two labels likely at once; what is not scored claims nothing."""
    codes, at = model
    found = [scored(codes, *answer(code, rows)) for code, rows in walks(codes, at)]
    signals = [signal for signal in found if isinstance(signal, Confidence)]
    for signal in signals:
        assert 0.0 <= signal.probability <= 1.0
        assert 0.0 <= signal.mass <= 1.0
    assert sum(signal.probability for signal in signals) <= 1.0 + 1e-9


TEXTS = st.sampled_from([b"A", b"B", b'"A"', b'A"', b" A", b"1", b"10", b"x", b'"', b"", b"\xc3", b'A","', b"Z"])
ANY_LOGPROB = st.floats() | st.sampled_from([0.0, -0.5, -9999.0, -100.0])
ROWS = st.lists(st.tuples(TEXTS, ANY_LOGPROB), max_size=4)
TOKENS = st.lists(st.tuples(TEXTS, ANY_LOGPROB, ROWS), max_size=6)


@given(st.text(max_size=30) | st.text('{}[]":,\\rA', max_size=30), TOKENS, st.integers(0, 3))
def test_any_tokens_under_any_answer_are_scored_or_refused(content, tokens, items):
    """Total: noise is `NotScored`, never an exception, never something that is not a probability."""
    for signals in Scorer({"intent": book(2)}).score(content, tokens, items):
        assert isinstance(signals["intent"], NotScored | Confidence)


@given(st.data(), st.integers(0, 3))
def test_any_tokens_over_a_real_answer_are_scored_or_refused(data, items):
    """The same with tokens that do spell it, cut anywhere and with any numbers."""
    raw = '{"r":[{"ref":"é","intent":"A"},{"ref":"y","intent":"B"}]}'.encode()
    cuts = sorted({0, len(raw), *data.draw(st.lists(st.integers(0, len(raw)), max_size=30))})
    tokens = []
    for start, end in pairwise(cuts):
        logprob = data.draw(ANY_LOGPROB)
        tokens.append((raw[start:end], logprob, [(raw[start:end], logprob), *data.draw(ROWS)]))
    for signals in Scorer({"intent": book(2)}).score(raw.decode(), tokens, items):
        signal = signals["intent"]
        assert isinstance(signal, NotScored) or (0.0 <= signal.probability <= 1.0 and 0.0 <= signal.mass <= 1.0)


@given(st.text('{}[]":,\\rntABC1 ', max_size=60))
def test_spans_are_found_in_noise(noise):
    """Any text is scanned; what is found lies within it and holds no bare quote."""
    raw = ('{"r":[' + noise).encode()
    for spans in text_spans(raw) or []:
        for span in spans.values():
            assert span is None or b'"' not in raw[slice(*span)].replace(b'\\"', b"").replace(b"\\\\", b"")
