"""The guard's thin driver: asks samples of what was answered again, and tells what came of it.

Its calls go through the limits of the account as all do, and cost what they cost. It takes no slot, keeps no message
waiting and changes no event: what cannot be asked now is not asked at all.
"""

import asyncio
from collections.abc import Sequence
from typing import assert_never

from schemas.message import Message
from workers.asking.model import Answer
from workers.guarding.firewall import Firewall
from workers.guarding.sampling import Alone, Labels, Outcome, Shuffled, band_of, judged
from workers.guarding.tally import Tally
from workers.guarding.trust import Trust
from workers.judging.reading import Read
from workers.line import Invariance, Line
from workers.watch import Watch

AT_ONCE = 4


class Guard:
    """Works off what one line's answers put aside."""

    def __init__(self, line: Line, watch: Watch) -> None:
        self._line = line
        self._watch = watch
        self._places: Tally[str] = Tally()
        self._labels: Tally[tuple[str, str | None]] = Tally()

    async def run(self) -> None:
        """Ask again until cancelled, at most `AT_ONCE` samples at a time."""
        async with asyncio.TaskGroup() as group:
            if self._line.firewall is not None:
                group.create_task(self._learn(self._line.firewall))
            if self._line.invariance is not None:
                for _ in range(AT_ONCE):
                    group.create_task(self._work(self._line.invariance))

    async def _learn(self, firewall: Firewall) -> None:
        """Ask about the candidates once canaries are wanted; again when the model could not be asked."""
        while not firewall.canaries.asked:
            await self._line.canaries_wanted.wait()
            self._line.canaries_wanted.clear()
            await self._line.gate.opened.wait()
            asked = firewall.candidates()
            answers = [labels for canary in asked for labels in await self._ask([canary.message])]
            if None not in answers:
                pairs = zip(asked, answers, strict=True)
                known = [canary for canary, labels in pairs if labels is not None and canary.sings(labels)]
                firewall.canaries.learnt(known)
                self._watch.guard.canaries_known(self._line.task.name, len(known), ready=firewall.canaries.ready)

    async def _work(self, invariance: Invariance) -> None:
        while True:
            sample = await invariance.waiting.get()
            await self._line.gate.opened.wait()
            match sample:
                case Alone():
                    await self._alone(sample, invariance.trust)
                case Shuffled():
                    await self._shuffled(sample)
                case _:
                    assert_never(sample)

    async def _alone(self, sample: Alone, trust: Trust) -> None:
        (alone,) = await self._ask([sample.message])
        again = alone
        if alone is not None and alone != sample.labels:
            (again,) = await self._ask([sample.message])
        if alone is None or again is None:
            return
        outcome = judged(sample.labels, alone, again)
        trust.compared(sample.items, outcome.score)
        task = self._line.task.name
        self._watch.guard.compared(task, "alone", outcome, sample.place)
        self._watch.guard.flips(task, trust)
        self._watch.guard.place_bound(task, sample.place, self._places.add(band_of(sample.place), outcome.score))
        for field, label in sample.labels.items():
            flipped = outcome is Outcome.FLIPPED and alone[field] != label
            bound = self._labels.add((field, label), int(flipped))
            self._watch.guard.compared_label(task, field, label, bound, flipped=flipped)

    async def _shuffled(self, sample: Shuffled) -> None:
        answers = await self._ask(sample.messages)
        for before, place, now in zip(sample.labels, sample.places, answers, strict=True):
            if now is not None:
                outcome = Outcome.SAME if now == before else Outcome.FLIPPED
                self._watch.guard.compared(self._line.task.name, "shuffled", outcome, place)

    async def _ask(self, messages: Sequence[Message]) -> list[Labels | None]:
        """Return the labels of each message; None where there is no answer, or none that can be read."""
        permit = await self._line.calls.permit(messages, again=False)
        question = self._line.route.question(messages)
        asked = await permit.ask(question)
        self._watch.call(self._line.task.name, asked)
        if not isinstance(asked.result, Answer):
            return [None] * len(messages)
        readings = self._line.reader.read(asked.result, question.refs)
        return [reading.labels if isinstance(reading, Read) else None for reading in readings]
