"""Heads: they learn what can be learned, and their probabilities are honest."""

import numpy as np
import pytest

from tests.modelserver_fixtures import WordEmbedder, asked, label_question
from workers.exits import UserError
from workers.modelserver.classifier import Classifier
from workers.modelserver.examples import Example, FieldExamples, RememberedEmbedder, task_examples
from workers.modelserver.head_store import HeadStore
from workers.modelserver.heads import LearnedHead, NamesHead
from workers.modelserver.labeller import Item, LabelQuestion, ParsedRequest
from workers.modelserver.softmax_regression import fit, fit_calibrated, softmax
from workers.task_yaml import TaskRefused

LABELS = {"refund": "wants money back", "delivery": "asks where the parcel is"}
WORDS = {"refund": "money back reimburse", "delivery": "parcel courier late"}


def clouds(rng, per_class, classes=12, spread=0.35, dimensions=24):
    """Unit vectors around one random direction a class, all near one another as texts' vectors are, and their classes."""
    centres = np.random.default_rng(0).standard_normal((classes, dimensions))
    labels = np.repeat(np.arange(classes), per_class)
    vectors = 3.0 + centres[labels] / np.linalg.norm(centres[labels], axis=1, keepdims=True)
    vectors = vectors + spread * rng.standard_normal(vectors.shape)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def calibration_error(probabilities, labels):
    """Expected calibration error over ten bins of equal mass."""
    most = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.array_split(np.argsort(most), 10)
    return sum(len(one) * abs(most[one].mean() - right[one].mean()) for one in bins) / len(labels)


def field_examples(count=8):
    words = {label: given.split() for label, given in WORDS.items()}
    texts = [
        Example(f"{words[label][i % 3]} {words[label][(i + 1) % 3]} n{i}", label) for label in LABELS for i in range(count)
    ]
    return FieldExamples("intent", LABELS, "", tuple(texts))


def store(*examples):
    return HeadStore(WordEmbedder(), examples)


def test_what_was_said_before_decides_where_the_text_alone_cannot():
    """The same text after other words has another label; a label is known from the context's words, in any order."""
    question = LabelQuestion("intent", label_question("intent", LABELS).codes[:2])
    texts = [
        Example(f"yes please n{i}", label, (f"{word} n{i}", "anything else"))
        for label, words in WORDS.items()
        for i, word in enumerate(words.split() * 3)
    ]
    heads = store(FieldExamples("intent", LABELS, "", tuple(texts)))
    said = [("anything else", "reimburse me"), ("the courier", "anything else"), ()]
    items = tuple(Item(str(place), "yes please n0", context) for place, context in enumerate(said))
    first, second, bare = Classifier(WordEmbedder(), heads).label(ParsedRequest((question,), items))
    assert [answer.answers[0].code for answer in (first, second)] == ["A", "B"]
    assert bare.answers[0].probability < min(first.answers[0].probability, second.answers[0].probability)


def test_a_context_costs_nothing_where_no_example_has_one():
    """Its turns are not embedded, and the answer is that to the text alone."""
    embedder, question = WordEmbedder(), label_question("intent", LABELS)
    labeller = Classifier(embedder, HeadStore(embedder, [field_examples()]))
    (bare,) = labeller.label(asked([question], "courier parcel today"))
    embedded = embedder.embedded
    (told,) = labeller.label(ParsedRequest((question,), (Item("r0", "courier parcel today", ("money back",)),)))
    assert told == bare
    assert embedder.embedded - embedded == 1


def test_separable_classes_are_learned():
    """Classes that a line separates are told apart on examples the fit has not seen."""
    vectors, labels = clouds(np.random.default_rng(1), 8, spread=0.1)
    unseen, truth = clouds(np.random.default_rng(2), 8, spread=0.1)
    assert (fit(vectors, labels, 12).logits(unseen).argmax(axis=1) == truth).mean() == 1.0


def test_the_sharpness_makes_probabilities_honest():
    """On few examples a class the calibrated head's error of calibration is a fraction of the plain one's."""
    vectors, labels = clouds(np.random.default_rng(1), 8)
    unseen, truth = clouds(np.random.default_rng(2), 100)
    plain = calibration_error(softmax(fit(vectors, labels, 12).logits(unseen)), truth)
    calibrated = calibration_error(softmax(fit_calibrated(vectors, labels, 12).logits(unseen)), truth)
    assert calibrated < 0.5 * plain


def test_fitting_is_repeatable():
    """The same examples give the same head, bit for bit."""
    vectors, labels = clouds(np.random.default_rng(1), 8)
    one, two = fit_calibrated(vectors, labels, 12), fit_calibrated(vectors, labels, 12)
    assert one.sharpness == two.sharpness
    assert (one.weights == two.weights).all()


def test_examples_make_the_difference():
    """With examples a head is learned, and knows words that stand in no description; without, names alone decide."""
    question = label_question("intent", LABELS)
    assert isinstance(store().head(question), NamesHead)
    learned = store(field_examples())
    assert isinstance(learned.head(question), LearnedHead)
    (answer,) = Classifier(WordEmbedder(), learned).label(asked([question], "courier parcel today"))
    assert answer.answers[0].code == "B"


def test_a_strange_text_is_unknown():
    """A text that shares nothing with any example is unknown; one that is like them is not."""
    classifier = Classifier(WordEmbedder(), store(field_examples()))
    strange, familiar = classifier.label(
        asked([label_question("intent", LABELS)], "weather in spain tomorrow", "money back n3")
    )
    assert (strange.answers[0].code, familiar.answers[0].code) == ("Z", "A")


def test_probabilities_add_up():
    """The codes of a question, unknown among them, share a probability of one, with or without unknown as an answer."""
    question = label_question("intent", LABELS)
    without = LabelQuestion("intent", question.codes[:-1])
    classifier = Classifier(WordEmbedder(), store(field_examples()))
    for one in (question, without):
        (answer,) = classifier.label(asked([one], "money for my parcel"))
        assert {code for code, _ in answer.answers[0].distribution} == {code.code for code in one.codes}
        assert sum(p for _, p in answer.answers[0].distribution) == pytest.approx(1.0)


def test_the_order_of_codes_does_not_matter():
    """The same question with its codes in another order has the same probability for each label."""
    question = label_question("intent", LABELS)
    turned = LabelQuestion("intent", question.codes[::-1])
    classifier = Classifier(WordEmbedder(), store(field_examples()))
    one, two = (classifier.label(asked([q], "money for my parcel"))[0].answers[0] for q in (question, turned))
    assert dict(one.distribution) == dict(two.distribution)


def test_only_unknown_is_a_question_too():
    """A question whose only answer is unknown gets it."""
    question = LabelQuestion("intent", label_question("intent", {}).codes)
    (answer,) = Classifier(WordEmbedder(), store()).label(asked([question], "anything"))
    assert answer.answers[0].distribution == (("Z", 1.0),)


def test_heads_are_made_once():
    """A second request with the same question embeds nothing but its own text."""
    embedder = WordEmbedder()
    heads = HeadStore(embedder, [field_examples()])
    fingerprint = heads.prepare()
    before = embedder.embedded
    heads.head(label_question("intent", LABELS))
    assert embedder.embedded == before
    assert fingerprint != HeadStore(WordEmbedder(), [field_examples(9)]).prepare()


def test_embeddings_are_kept_between_starts(tmp_path):
    """A second start reads the vectors of the examples; a damaged file is made again."""
    first, second, third = WordEmbedder(), WordEmbedder(), WordEmbedder()
    texts = ["a b", "c d"]
    vectors = RememberedEmbedder(first, tmp_path).embed_all(texts)
    assert (RememberedEmbedder(second, tmp_path).embed_all(texts) == vectors).all()
    assert second.embedded == 0
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"damaged")
    assert (RememberedEmbedder(third, tmp_path).embed_all(texts) == vectors).all()
    assert third.embedded == 2


def write_task(folder, examples, line):
    (folder / "task.yaml").write_text(
        f"name: t\nsource: {{topic: a, text: b}}\ninstructions: x\nexamples: {examples}\n"
        "fields: {intent: {kind: label, labels: {refund: a, delivery: b}}}\n"
        "routes: {labelled: l, escalated: e, dead: d}\n"
    )
    (folder / examples).write_text(line + "\n")


@pytest.mark.parametrize("context", ['"a"', "[1]", "{}"])
def test_a_context_of_an_example_is_a_list_of_texts(tmp_path, context):
    """Anything else is refused with its line."""
    write_task(tmp_path, "shown.jsonl", '{"text": "x", "intent": "refund", "context": ["a", "b"]}')
    assert task_examples(str(tmp_path))[0].examples == (Example("x", "refund", ("a", "b")),)
    write_task(tmp_path, "shown.jsonl", f'{{"text": "x", "intent": "refund", "context": {context}}}')
    with pytest.raises(TaskRefused, match=r"shown.jsonl:1: the `context` of an example is a list"):
        task_examples(str(tmp_path))


def test_gold_is_never_learned_from(tmp_path):
    """Examples in a file of gold labels are refused, whatever the file's ending."""
    write_task(tmp_path, "gold-2.jsonl", '{"text": "x", "intent": "refund"}')
    with pytest.raises(UserError, match="gold"):
        task_examples(str(tmp_path))
