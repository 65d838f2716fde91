"""The heads of a running server: made once for each question, from the examples that fit it."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence

from schemas.fields import SENTIMENTS, UNKNOWN
from workers.modelserver.embedder import Embeds
from workers.modelserver.examples import Example, FieldExamples
from workers.modelserver.heads import Head, Label, make_head
from workers.modelserver.labeller import Code, LabelQuestion
from workers.modelserver.sentiment import is_sentiment, sentiment_head

_MOST_HEADS = 64  # a caller who sends ever new labels must not fill the memory

Key = tuple[str, tuple[Label, ...]]


class HeadStore:
    """Heads by field name, label names and descriptions. Safe for several threads; a new question is learned by one of them."""

    def __init__(self, embedder: Embeds, examples: Sequence[FieldExamples], preparing: Embeds | None = None) -> None:
        """Texts of the given tasks go to `preparing`, which may remember them on disk; texts of callers never do."""
        self._embedder = embedder
        self._preparing = preparing or embedder
        self._examples = {(given.field, frozenset(given.labels)): given.examples for given in examples if given.examples}
        self._heads: OrderedDict[Key, Head] = OrderedDict()
        self._lock = threading.Lock()
        self._tasks = [_question(given) for given in examples]

    def prepare(self) -> str:
        """Make the heads of all given tasks now, and return a fingerprint of everything the answers will depend on."""
        identities = [self._head(question, self._preparing).identity for question in self._tasks]
        digest = hashlib.sha256("\0".join([self._embedder.identity, *identities]).encode())
        return f"fp_{digest.hexdigest()[:16]}"

    def head(self, question: LabelQuestion) -> Head:
        """Return the head of the question; its labels are those of `known_labels`, in that order."""
        return self._head(question, self._embedder)

    def _head(self, question: LabelQuestion, embedder: Embeds) -> Head:
        key = (question.name, known_labels(question))
        with self._lock:
            head = self._heads.get(key)
            if head is None:
                head = self._heads[key] = self._make(key, embedder)
                if len(self._heads) > _MOST_HEADS:
                    self._heads.popitem(last=False)
            else:
                self._heads.move_to_end(key)
            return head

    def _make(self, key: Key, embedder: Embeds) -> Head:
        field, labels = key
        names = [label.name for label in labels]
        examples = self._fitting(field, frozenset(names))
        if is_sentiment(names):
            return sentiment_head(examples, self._preparing)
        return make_head(labels, examples, own=embedder, shipped=self._preparing)

    def _fitting(self, field: str, names: frozenset[str]) -> Sequence[Example]:
        """Return the examples of the field of this name and these labels, else of any field with these labels."""
        same = [examples for (_, labels), examples in self._examples.items() if labels == names]
        return self._examples.get((field, names), same[0] if same else ())


def known_labels(question: LabelQuestion) -> tuple[Label, ...]:
    """Return the labels of a question without `unknown`, in an order that does not depend on that of the codes."""
    named = {code.label: Label(code.label, " ".join(code.description.split())) for code in question.codes}
    named.pop(UNKNOWN, None)
    order = list(SENTIMENTS) if is_sentiment(list(named)) else sorted(named)
    return tuple(named[name] for name in order)


def _question(given: FieldExamples) -> LabelQuestion:
    codes = tuple(Code(label, label, description) for label, description in given.labels.items())
    return LabelQuestion(given.field, codes, given.description)
