"""What a trial asks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle

from schemas.message import Message
from workers.asking.model import Unclear
from workers.measuring.plan import Point
from workers.measuring.trial import Trial, measure_point


@dataclass
class Asked:
    """A route that keeps what it is asked and answers nothing of use."""

    texts: list[str] = field(default_factory=list)

    def question(self, batch: Sequence[Message]) -> Sequence[Message]:
        return batch

    async def ask(self, question: Sequence[Message]) -> Unclear:
        self.texts += [message.text for message in question]
        return Unclear("nothing of use", "")


async def test_points_ask_about_other_messages_as_long_as_there_are_any():
    """An endpoint that remembers what it answered must not look faster at the second point than at the first."""
    messages = [Message(f"text {n}", str(n), None, None, {}) for n in range(100)]
    asked = Asked()
    trial = Trial(asked, None, cycle(messages), lambda: 0.0)
    measures = [await measure_point(trial, point) for point in (Point(4, 2), Point(8, 2), Point(8, 1))]
    assert [measure.asked for measure in measures] == [24, 48, 24]
    assert len(set(asked.texts[:96])) == 96
