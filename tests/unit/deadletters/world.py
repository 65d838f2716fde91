"""A task's topics in memory, filled by the worker's own router and read as the commands read Kafka."""

from schemas.task import Task
from schemas.verdict import Refusal, Rejected
from topics.memory import MemoryCluster
from topics.memory.reader import MemoryReader
from topics.record import Outgoing, Partition, Record
from workers.deadletters.plan import Rules
from workers.deadletters.replay import Job, Replay, ends_of, names_of
from workers.deadletters.where import parse_where
from workers.routing import Router

TASK = Task.model_validate(
    {
        "name": "tickets",
        "source": {"topic": "in", "text": "body"},
        "instructions": "Label the tickets.",
        "fields": {"intent": {"kind": "label", "labels": {"cancel": "", "track": ""}}},
        "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead"},
    }
)
ROUTER = Router(TASK, "cluster/1")
GROUP, TRANSACTIONAL_ID = names_of("app", "workers", TASK.name)
DEAD = Partition("dead", 0)
NOW_MS = 1_700_000_000_000


def dead_outgoing(record: Record, refusal: Refusal = Refusal.NO_TEXT, *, detail: str = "why", attempts: int = 2) -> Outgoing:
    return ROUTER.dead(Rejected(refusal, detail), record, attempts=attempts)


def record_of(outgoing: Outgoing, offset: int = 0, timestamp_ms: int = NOW_MS, partition: int = 0) -> Record:
    place = Partition(outgoing.topic, partition)
    return Record(place, offset, outgoing.key, outgoing.value, outgoing.headers, timestamp_ms)


def source_record(offset: int = 41, key=b"k", value=b"v", headers=(), topic: str = "in") -> Record:
    return Record(Partition(topic, 2), offset, key, value, headers, 1_600_000_000_000)


class World:
    """A cluster with `in` and `dead`, of one partition each unless said otherwise."""

    def __init__(self, dead_partitions: int = 1) -> None:
        self.cluster = MemoryCluster(now_ms=lambda: NOW_MS)
        self.cluster.create("in", 2)
        self.cluster.create("dead", dead_partitions)

    def die(self, name: str, refusal: Refusal = Refusal.NO_TEXT, *, partition: int = 0, headers=()) -> Record:
        """Write the dead letter of a record with this value."""
        letter = dead_outgoing(source_record(value=name.encode(), key=name.encode(), headers=headers), refusal)
        return self.put(letter, partition=partition)

    def put(self, letter: Outgoing, *, partition: int = 0, timestamp_ms: int = NOW_MS) -> Record:
        return self.cluster.produce(
            "dead", letter.key, letter.value, letter.headers, partition=partition, timestamp_ms=timestamp_ms
        )

    def replayed(self) -> list[str]:
        """Return the values that came back to the source topic."""
        return sorted((record.value or b"").decode() for record in self.cluster.read("in"))

    def job(
        self, *where: str, most: int | None = None, from_start: bool = False, max_replays: int = 3, skip_rest: bool = False
    ) -> Job:
        rules = Rules(TASK.name, "in", parse_where(where), max_replays, NOW_MS, skip_rest)
        return Job(rules, "dead", GROUP, TRANSACTIONAL_ID, most, from_start)

    async def replay(self, job: Job | None = None, *, chunk_records: int = 3) -> Replay:
        log, reader = self.cluster.log(), MemoryReader(self.cluster, chunk_records)
        job = job or self.job()
        return Replay(log, reader, job, await ends_of(log, reader, job))

    async def run(self, *where: str, tell=lambda _: None, **options):
        return await (await self.replay(self.job(*where, **options))).run(tell)

    async def survey(self, *where: str, **options):
        return await (await self.replay(self.job(*where, **options))).survey(lambda _: None)
