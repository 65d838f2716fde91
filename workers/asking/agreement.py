"""Agreement: each message asked about again, alone and with the labels in another order. Pure.

A model that knows says the same whatever stands beside a message and wherever its label stands in the list; one that guesses
follows its neighbours and the order (Wang et al., arXiv:2203.11171; Zheng et al., arXiv:2309.03882). How many of the further
answers agree is a signal for routes that give no probabilities. It costs a call per message and further answer.
"""

import hashlib
from collections.abc import Sequence

from schemas.fields import SENTIMENTS, LabelField, SentimentField
from schemas.message import Message
from schemas.promise import Promise
from schemas.task import Task
from schemas.verdict import SignalKind
from workers.asking.model import Call, Overhead, Wrong
from workers.asking.prompt import Dialect, Prompt, short_hash


class Agreement:
    """A backend: one chat call about all messages, and for each message `votes` calls about its labels alone."""

    signal = SignalKind.AGREEMENT
    together = True

    def __init__(self, task: Task, dialect: Dialect, votes: int) -> None:
        self.first = self.largest = self._whole = Prompt(task, dialect)
        self.schema = self._whole.schema
        self._votes = {vote: Prompt(permuted(task, vote), dialect) for vote in range(1, votes + 1)}
        prompts = (self._whole, *self._votes.values())
        self.model = self._whole.model
        self.prompt_hash = short_hash(" ".join(prompt.prompt_hash for prompt in prompts).encode())
        self.schema_hash = short_hash(" ".join(prompt.schema_hash for prompt in prompts).encode())

    def calls(self, messages: Sequence[Message], refs: tuple[str, ...], wrong: Wrong = ()) -> tuple[Call, ...]:
        """Return the call about all messages, and then the further ones about each."""
        further = [
            Call(prompt.calls([message], (ref,))[0].body, (ref,), vote=vote)
            for ref, message in zip(refs, messages, strict=True)
            for vote, prompt in self._votes.items()
        ]
        return (*self._whole.calls(messages, refs, wrong), *further)

    def overhead(self, count: int) -> Overhead:
        """Return what a question about so many messages takes besides their texts."""
        alone = [prompt.overhead(1) for prompt in self._votes.values()] * count
        parts = [self._whole.overhead(count), *alone]
        return Overhead(
            requests=sum(part.requests for part in parts),
            static_bytes=sum(part.static_bytes for part in parts),
            copies=1 + len(self._votes),
            output_tokens=sum(part.output_tokens for part in parts),
        )


def accepts_agreement(task: Task) -> bool:
    """Return whether the task has labels, and a rule for the share of further answers that agree."""
    rule = task.acceptance()
    return bool(task.classified()) and (isinstance(rule, Promise) or rule.agreement is not None)


def permuted(task: Task, vote: int) -> Task:
    """Return the task's label fields with the labels in another order: the reverse at first, then any. Only ever a prompt.

    The order is the same at every call, so that a provider's prompt cache applies.
    """
    fields: dict[str, LabelField | SentimentField] = {}
    for name, field in task.classified().items():
        labels = SENTIMENTS if isinstance(field, SentimentField) else field.labels
        order = list(reversed(labels)) if vote == 1 else sorted(labels, key=lambda label: _shuffled(vote, label))
        fields[name] = LabelField(kind="label", description=field.description, labels={label: labels[label] for label in order})
    return task.model_copy(update={"fields": fields})


def _shuffled(vote: int, label: str) -> bytes:
    return hashlib.sha256(f"{vote} {label}".encode()).digest()
