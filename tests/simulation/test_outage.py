"""An hour without the provider, on a virtual clock: no dead letter, no rebalance, and the pace of an undisturbed run afterwards."""

import asyncio

from tests.fakes.scripted_model import ScriptedModel
from tests.simulation.virtual import run_virtually
from tests.simulation.world import OUTPUTS, Process, World
from topics.memory import MemoryCluster
from workers.asking.model import TryAgain
from workers.patience import Patience
from workers.settings import load_settings

HOUR = 3600.0
MESSAGES = 3_000
POLL_GAP = 10.0  # seconds; Kafka's max.poll.interval.ms is 300,000


class QuietWorld(World):
    """One worker, no faults but those of the provider, which takes half a second for an answer."""

    def __init__(self, outage_seconds):
        super().__init__(1)
        self.cluster = MemoryCluster()
        self.cluster.create("in", 3)
        for topic in OUTPUTS:
            self.cluster.create(topic, 1)
        self.settings = load_settings({"batching.max_items": 16, "model.concurrency": 4, "audit.share": 0})
        self.patience = Patience(most_seconds=self.settings.limits.most_seconds)
        self.outage_seconds = outage_seconds
        self.provider = ScriptedModel()

    def model(self, _life):
        return SlowModel(self.provider)

    async def run(self):
        """Return the seconds from the backlog (or the outage's end) to the last event, and the worker's longest gap of polls."""
        now = asyncio.get_running_loop().time
        worker = Process(self)
        await asyncio.sleep(5)
        down = self.outage_seconds > 0
        self.provider.always = lambda _items: TryAgain("unavailable") if down else None
        gap = 0.0
        for number in range(MESSAGES):
            self.sent += 1
            self.cluster.produce("in", b"k%d" % (number % 50), b'{"body": "text", "id": "m%d"}' % number)
        for _ in range(int(self.outage_seconds)):
            await asyncio.sleep(1)
            gap = max(gap, now() - worker.pipeline.last_poll)
            assert not self.cluster.read("labelled"), "nobody answers"
        down, started = False, now()
        while not self.complete():
            await asyncio.sleep(0.1)
            assert now() - started < HOUR
        seconds = now() - started
        epochs = worker.pipeline._source._epoch
        await worker.end()
        await asyncio.sleep(1)
        return seconds, gap, epochs, self.verdict()


class SlowModel:
    """The provider, half a second away."""

    def __init__(self, provider):
        self._provider = provider

    async def ask(self, question):
        await asyncio.sleep(0.5)
        return await self._provider.ask(question)

    async def close(self):
        await self._provider.close()


def test_an_hour_without_the_provider_costs_nothing_but_the_hour():
    """Everything is labelled once, the group saw one assignment, and the backlog then goes at nine tenths of the usual pace at least.

    The usual pace is that of the same worker with the same backlog and no outage. What is added is the last wait of the
    retry policy, of `limits.most_seconds` at most, and counted apart.
    """
    usual, _, _, undisturbed = run_virtually(QuietWorld(0).run())
    assert undisturbed.kept, str(undisturbed)
    world = QuietWorld(HOUR)
    seconds, gap, epochs, verdict = run_virtually(world.run())
    assert verdict.kept, str(verdict)
    assert verdict.by_topic == {"labelled": MESSAGES}, "nothing is dead or escalated"
    assert epochs == 1, "no rebalance"
    assert gap < POLL_GAP, "membership never waited for the provider"
    assert seconds <= usual / 0.9 + world.settings.limits.most_seconds
