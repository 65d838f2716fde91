"""The real embedding model: repeatable, and good enough to be worth its door."""

import zipfile

import pytest

from tests.modelserver_fixtures import asked, label_question
from workers.exits import UserError
from workers.modelserver.classifier import Classifier
from workers.modelserver.embedder import Embedder
from workers.modelserver.head_store import HeadStore
from workers.modelserver.weights import find_weights

pytestmark = pytest.mark.local_model
MOODS = label_question("mood", {"negative": "", "neutral": "", "positive": ""})
TEXTS = [f"where is my parcel number {place}, it should have been here {place} days ago" for place in range(40)]


@pytest.fixture(scope="module")
def embedder(weights):
    return Embedder(weights)


def test_company_does_not_change_a_vector(weights, embedder):
    """The same text has the same vector, bit for bit, alone, among others and in another process's session."""
    together = embedder.embed_all(TEXTS)
    alone = Embedder(weights)
    assert all((alone.embed(text) == row).all() for text, row in zip(reversed(TEXTS), together[::-1], strict=True))


def test_company_does_not_change_an_answer(embedder):
    """A redelivered message gets the answer it had, whatever it is batched with."""
    classifier = Classifier(embedder, HeadStore(embedder, []))
    together = classifier.label(asked([MOODS], *TEXTS))
    for text, answer in zip(TEXTS, together, strict=True):
        (alone,) = classifier.label(asked([MOODS], text))
        assert alone.answers == answer.answers


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("I am furious, this is the worst shop ever and you stole my money", "A"),
        ("how do I change the address of my account", "B"),
        ("thank you so much, wonderful help", "C"),
    ],
)
def test_moods_are_told_apart(embedder, text, code):
    """A plain complaint, question and praise get their labels."""
    (answer,) = Classifier(embedder, HeadStore(embedder, [])).label(asked([MOODS], text))
    assert answer.answers[0].code == code


def test_names_alone_tell_intents_apart(embedder):
    """Without one example, labels' names and descriptions decide plain cases, and a foreign subject is unknown."""
    labels = {"cancel_order": "call off an order", "track_order": "where an order is", "recover_password": "lost password"}
    texts = ("please cancel my order", "where is my order now", "I forgot my password", "who won the football world cup")
    answers = Classifier(embedder, HeadStore(embedder, [])).label(asked([label_question("intent", labels)], *texts))
    assert [answer.answers[0].code for answer in answers] == ["A", "B", "C", "Z"]


def test_another_jar_is_refused(tmp_path):
    """A jar with other content than the pinned one gives no weights, and one sentence."""
    jar = tmp_path / "model.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("bge-small-en-v1.5-q.onnx", b"something else")
    with pytest.raises(UserError, match="delete the jar"):
        find_weights(tmp_path / "models", lambda _: (jar,))
    assert not list((tmp_path / "models").iterdir())


def test_damaged_weights_are_unpacked_again(weights, tmp_path):
    """A file of the wrong content is replaced from the jar; right ones need no jar at all."""
    folder = tmp_path / "models"
    folder.mkdir()
    jar = tmp_path / "model.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        archive.write(weights.model, weights.model.name)
        archive.write(weights.tokenizer, weights.tokenizer.name)
    (folder / weights.model.name).write_bytes(b"half a model")
    found = find_weights(folder, lambda _: (jar,))
    assert found.model.read_bytes() == weights.model.read_bytes()
    jar.unlink()
    assert find_weights(folder, lambda _: pytest.fail("asked for the jar")) == found
