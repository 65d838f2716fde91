"""Confidence from token log-probabilities: how providers cut and report tokens, and what is refused."""

from math import exp, log

import orjson
import pytest

from schemas.reply import CodeBook
from schemas.verdict import Confidence, NotScored
from workers.judging.confidence import Scorer
from workers.judging.reading import Read, Reader

LETTERS = CodeBook({"A": "alpha", "B": "beta", "Z": "unknown"}, {"alpha": "", "beta": ""})
NUMBERS = CodeBook({**{str(10 + i): f"l{i}" for i in range(12)}, "00": "unknown"}, {})
INTENT = Scorer({"intent": LETTERS})
NUMBERED = Scorer({"intent": NUMBERS})


def forced(text):
    """Return a token without a rival."""
    raw = text if isinstance(text, bytes) else text.encode()
    return (raw, 0.0, [(raw, 0.0)])


def choice(text, shares):
    """Return the token that was chosen among alternatives with these probabilities."""
    rows = [(other.encode(), log(share)) for other, share in shares.items()]
    return (text.encode(), dict(rows)[text.encode()], rows)


def score(scorer, *tokens, content=None, items=1):
    if content is None:
        content = b"".join(token[0] for token in tokens).decode()
    return [signals["intent"] for signals in scorer.score(content, tokens, items)]


def only(*arguments, **options):
    (signal,) = score(*arguments, **options)
    return signal


HEAD, TAIL = forced('{"r":[{"ref":"k3f9","intent":"'), forced('"}]}')
SHARES = {"A": 0.6, "B": 0.3, "Z": 0.1}


def test_one_token_decides():
    """The probability is the code's share among the codes, and all of the mass is theirs."""
    assert only(INTENT, HEAD, choice("A", SHARES), TAIL) == Confidence(pytest.approx(0.6), pytest.approx(1.0), 1, 0)


def test_alien_alternatives_lower_the_mass_not_the_share():
    """What is no code (openai-python 2227) belongs to neither."""
    signal = only(INTENT, HEAD, choice("A", {"A": 0.36, "B": 0.12, "cancel": 0.3, "{": 0.1, "C": 0.05}), TAIL)
    assert signal == Confidence(pytest.approx(0.75), pytest.approx(0.48), 1, 0)


def test_a_code_that_the_schema_forced_is_not_scored():
    """Where a word that is no code is likelier than all codes, the share among the codes says nothing; marks alone are no word."""
    forced_upon = choice("A", {"A": 0.004, "B": 0.001, "I": 0.9})
    assert isinstance(only(INTENT, HEAD, forced_upon, TAIL), NotScored)
    spaced = only(INTENT, HEAD, choice("A", {"A": 0.2, "B": 0.05, ' "': 0.7}), TAIL)
    assert spaced.probability == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("before", "chosen", "after"),
    [
        ('{"r":[{"ref":"k3f9","intent":', '"A"', "}]}"),
        ('{"r":[{"ref":"k3f9","intent":', '"A', '"}]}'),
        ('{"r":[{"ref":"k3f9","intent"', ':"A', '"}]}'),
        ('{"r":[{"ref":"k3f9","intent', '":"A"', "}]}"),
        ('{"r":[{"ref":"k3f9","intent":"', 'A"}', "]}"),
        ('{"r":[{"ref":"k3f9","intent":"', 'A"}]}', ""),
        ('{"r":[{"ref":"k3f9","intent": ', '"A"', " }\n]}"),
    ],
)
def test_punctuation_that_is_merged_with_the_code_is_stripped(before, chosen, after):
    """Tokens such as `"A"`, `":"A` and `A"}` are the code's; so are their rivals of the same shape."""
    rival = chosen.replace("A", "B")
    signal = only(INTENT, forced(before), choice(chosen, {chosen: 0.8, rival: 0.2}), *([forced(after)] if after else []))
    assert signal.probability == pytest.approx(0.8)


def test_variants_of_one_code_add_up():
    """`A` and ` A"` are one answer."""
    signal = only(INTENT, HEAD, choice("A", {"A": 0.5, ' A"': 0.25, "B": 0.25}), TAIL)
    assert signal.probability == pytest.approx(0.75)


def test_a_token_over_two_labels_is_not_scored():
    """Its share cannot be told apart."""
    both = Scorer({"intent": LETTERS, "mood": LETTERS})
    merged = choice('A","mood":"B', {'A","mood":"B': 0.9, 'B","mood":"A': 0.1})
    (signals,) = both.score('{"r":[{"intent":"A","mood":"B"}]}', [forced('{"r":[{"intent":"'), merged, forced('"}]}')], 1)
    assert isinstance(signals["intent"], NotScored)
    assert isinstance(signals["mood"], NotScored)


def test_a_merged_token_with_a_plain_rival_is_not_scored():
    """The rival's share alone says nothing of the label that was written: not even that it is unsure."""
    merged = choice('A","x', {'A","x': 0.9, "B": 0.1})
    assert isinstance(only(INTENT, HEAD, merged, forced('":"y"}]}')), NotScored)


def test_digits_multiply_until_one_code_is_left():
    """A code of two tokens: the share of its first digit times the share of its second among the codes still open."""
    signal = only(
        NUMBERED, HEAD, choice("1", {"1": 0.8, "2": 0.15, "0": 0.05}), choice("0", {"0": 0.5, "1": 0.25, "9": 0.25}), TAIL
    )
    assert signal.probability == pytest.approx(0.8 * 0.5)


def test_forced_tokens_are_skipped():
    """After `0` only `00` is possible, so the second digit's probability says nothing (and may even be missing)."""
    first = choice("0", {"0": 0.9, "1": 0.1})
    unsure = choice("0", {"0": 0.01, "7": 0.99})
    assert only(NUMBERED, HEAD, first, unsure, TAIL).probability == pytest.approx(0.9)
    assert only(NUMBERED, HEAD, first, (b"0", -9999.0, []), TAIL).probability == pytest.approx(0.9)


def test_a_shorter_beginning_than_the_one_written_is_not_counted_as_ours():
    """With `12` written at once, `1` may have become 10 or 13: counting it would make labels sum to more than one."""
    signal = only(NUMBERED, HEAD, choice("12", {"12": 0.2, "10": 0.3, "1": 0.5}), TAIL)
    assert signal == Confidence(pytest.approx(0.2), pytest.approx(1.0), 1, 0)
    unique = only(NUMBERED, HEAD, choice("00", {"00": 0.2, "0": 0.5, "10": 0.3}), TAIL)
    assert unique.probability == pytest.approx(0.7)


def test_a_character_split_between_tokens_shifts_nothing():
    """Places are counted in bytes."""
    content = '{"r":[{"ref":"né🙂","intent":"B"}]}'
    raw = content.encode()
    cut = raw.index("é".encode()) + 1
    smile = raw.index("🙂".encode())
    code = raw.index(b'"B"') + 1
    tokens = [
        forced(raw[:cut]),
        forced(raw[cut : smile + 1]),
        forced(raw[smile + 1 : smile + 3]),
        forced(raw[smile + 3 : code]),
        choice("B", {"B": 0.9, "A": 0.1}),
        forced(raw[code + 1 :]),
    ]
    assert only(INTENT, *tokens, content=content).probability == pytest.approx(0.9)


@pytest.mark.parametrize("prefix", ["```json\n", "Sure! ", '{"intent":"B"} no, wait: ', '<think>"intent":"Z"</think>'])
def test_tokens_before_the_content_are_skipped(prefix):
    """A fence or a thought that the server cut from the content stays among its tokens."""
    content = '{"r":[{"ref":"k3f9","intent":"A"}]}'
    tokens = [forced(prefix), HEAD, choice("A", SHARES), TAIL, forced("\n```")]
    assert only(INTENT, *tokens, content=content).probability == pytest.approx(0.6)


@pytest.mark.parametrize(
    "token",
    [
        (b"A", -9999.0, [(b"A", -9999.0), (b"B", -0.1)]),
        (b"A", -100.0, [(b"A", -100.0), (b"B", -0.1)]),
        (b"A", -90.0, [(b"A", -90.0), (b"B", -0.1)]),
        (b"A", -0.5, []),
        (b"A", -0.5, [(b"B", -0.5)]),
        (b"A", -0.5, [(b"A", -1.5), (b"B", -0.5)]),
        (b"A", 0.5, [(b"A", 0.5)]),
        (b"A", 1e6, [(b"A", 1e6)]),
        (b"A", -0.5, [(b"A", -0.5), (b"B", 1e6)]),
        (b"A", float("nan"), [(b"A", float("nan"))]),
        (b"A", -0.5, [(b"A", -0.5), (b"B", float("nan"))]),
        (b"A", -0.5, [(b"A", -0.5), (b"B", float("inf"))]),
        (b"A", float("-inf"), [(b"A", float("-inf"))]),
    ],
)
def test_impossible_reports_are_not_scored(token):
    """-9999 (openai-python 2257), masked tokens, a chosen token that is not listed, and numbers that are no logarithms."""
    assert isinstance(only(INTENT, HEAD, token, TAIL), NotScored)


def test_masked_alternatives_weigh_nothing():
    """A server that lists forbidden tokens with -100 or -9999 is still right about the chosen one."""
    rows = [(b"A", log(0.7)), (b"B", log(0.3)), (b"Z", -100.0), (b"intent", -9999.0), (b"B ", float("-inf"))]
    signal = only(INTENT, HEAD, (b"A", log(0.7), rows), TAIL)
    assert signal == Confidence(pytest.approx(0.7), pytest.approx(1.0), 1, 0)


def test_tokens_that_do_not_spell_the_answer_are_not_scored():
    """Places in the one are not places in the other."""
    content = '{"r":[{"ref":"k3f9","intent":"A"}]}'
    for tokens in ([], [HEAD], [HEAD, choice("B", SHARES), TAIL], [forced('{"r": ['), choice("A", SHARES)]):
        (signals,) = INTENT.score(content, tokens, 1)
        assert isinstance(signals["intent"], NotScored)


def many(items):
    """Return tokens for several items given as (text before the code, code, share)."""
    tokens = [forced('{"r":[')]
    for before, code, share in items:
        tokens += [forced("{" + before + '"intent":"'), choice(code, {code: share, "Z": 1 - share}), forced('"},')]
    tokens[-1] = forced('"}]}')
    return tokens


def test_each_object_of_the_answer_has_its_own_share():
    """In the answer's order, which the reading's `place` points into."""
    tokens = many([('"ref":"b",', "A", 0.9), ('"ref":"a",', "B", 0.7), ('"ref":"c",', "A", 0.5)])
    content = b"".join(t[0] for t in tokens).decode()
    signals = INTENT.score(content, tokens, 3)
    readings = Reader({"intent": LETTERS}, [], banded=False).read(content, ["a", "b", "c"], cut=False)
    found = [signals[r.place]["intent"].probability for r in readings if isinstance(r, Read)]
    assert found == [pytest.approx(0.7), pytest.approx(0.9), pytest.approx(0.5)]


@pytest.mark.parametrize(
    "value",
    [
        '"intent":"B"',
        '{"intent":"B"}',
        ',"intent":"B",',
        '\\"intent\\":\\"B',
        '"',
        "\\",
        "}],{[",
        "\n\u2028😀",
        '\\","intent":"B',
    ],
)
def test_a_text_that_quotes_a_label_is_not_one(value):
    """The words of a message may be a whole answer: only keys of the items count."""
    before = f'"ref":"k3f9","summary":{orjson.dumps(value).decode()},'
    tokens = many([(before, "A", 0.9), (before, "A", 0.8)])
    assert [s.probability for s in score(INTENT, *tokens, items=2)] == [pytest.approx(0.9), pytest.approx(0.8)]


def test_a_value_or_ref_named_like_the_field_is_not_taken_for_it():
    """The text `intent` where a value stands, also before a colon-like text."""
    before = '"ref":"intent","summary":"intent","note":":",'
    assert only(INTENT, *many([(before, "A", 0.9)])).probability == pytest.approx(0.9)


def test_a_cut_answer_keeps_the_scores_of_its_complete_items():
    """Wherever it was cut, the reader reads them, so they are worth as much as in a whole answer."""
    hostile = r'"summary":"x}] {[}]\",\"intent\":\"A","ref":'
    whole = many([(hostile + '"a",', "A", 0.9), (hostile + '"b",', "B", 0.7), (hostile + '"c",', "A", 0.5)])
    reader = Reader({"intent": LETTERS}, ["summary"], banded=False)
    read = []
    for kept in range(sum(len(token[0]) for token in whole)):
        tokens, left = [], kept
        for token in whole:
            tokens.append(token if len(token[0]) <= left else forced(token[0][:left]))
            left -= len(tokens[-1][0])
        content = b"".join(t[0] for t in tokens).decode()
        signals = INTENT.score(content, tokens, 3)
        readings = reader.read(content, ["a", "b", "c"], cut=True)
        read.append(sum(isinstance(r, Read) for r in readings))
        for reading, probability in zip(readings, (0.9, 0.7, 0.5), strict=True):
            if isinstance(reading, Read):
                assert signals[reading.place]["intent"].probability == pytest.approx(probability)
    assert set(read) == {0, 1, 2, 3}


def test_a_missing_or_additional_item_costs_the_others_no_score():
    """One item more or less than asked."""
    tokens = many([('"ref":"a",', "A", 0.9), ('"ref":"b",', "B", 0.7)])
    for asked in (1, 2, 3):
        found = score(INTENT, *tokens, items=asked)
        assert [s.probability for s in found] == [pytest.approx(0.9), pytest.approx(0.7)]
        assert {s.batch_size for s in found} == {asked}


@pytest.mark.parametrize(
    "content",
    [
        '{"r":[{"intent":"A","intent":"B"},{"x":"y"}]}',
        '{"r":[{"intent":"A","intent":"A"}]}',
        '{"r":[{"intent":7}]}',
        '{"r":[{"intent":null,"x":"A"}]}',
        '{"r":[{"intent":{"intent":"A"}}]}',
        '{"r":[[{"intent":"A"}]]}',
        '{"r":[{"intent":["A"]}]}',
        '{"r":[{"intent":"A"}],"r":[{"intent":"B"}]}',
        '{"x":1,"r":[{"intent":"A"}]}',
        '[{"intent":"A"}]',
        '{"intent":"A"}',
        '{"r":[{"intent":"\\u0041"}]}',
        '{"r":[{"intent":"Q"}]}',
        '{"r":[{"intent":""}]}',
        '{"r":[]}',
        "intent",
        "",
    ],
)
def test_an_answer_of_another_shape_is_not_scored(content):
    """Keys twice, at other places, in other spelling: refused rather than guessed."""
    tokens = [forced(char) for char in content]
    for signals in INTENT.score(content, tokens, 1):
        assert isinstance(signals["intent"], NotScored)


def test_every_field_is_scored_on_its_own():
    """Two labels of one item, one of them not scored."""
    scorer = Scorer({"intent": LETTERS, "mood": LETTERS})
    tokens = [
        forced('{"r":[{"mood":"'),
        choice("B", {"B": 0.9, "A": 0.1}),
        forced('","intent":"'),
        (b"A", -9999.0, []),
        TAIL,
    ]
    (signals,) = scorer.score(b"".join(t[0] for t in tokens).decode(), tokens, 1)
    assert signals["mood"].probability == pytest.approx(0.9)
    assert isinstance(signals["intent"], NotScored)


def test_probabilities_are_exact_at_the_edge():
    """A single alternative is certain; rounding never makes more than one."""
    assert only(INTENT, HEAD, (b"A", 1e-4, [(b"A", 1e-4)]), TAIL) == Confidence(1.0, 1.0, 1, 0)
    assert exp(1e-4) > 1
