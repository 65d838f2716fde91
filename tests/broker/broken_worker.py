"""The worker with one rule broken, for negative controls: `BROKEN_RULE=... python -m tests.broker.broken_worker run ...`.

Never imported by the product; a run of it must make the checker fail, or the checker proves nothing.
"""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.helpers import until
from topics import cadence
from topics.kafka.producer import Producer
from topics.kafka.reaper import retrieve
from topics.lane import Lane
from topics.lane_facts import LaneRules
from topics.ledger import Ledger
from topics.record import Partition
from workers.cli import main


def position_from_received() -> None:
    """Commit the offset after the last record received, as naive consumers do."""
    Ledger._watermark = lambda self, without=None: self._next  # type: ignore[method-assign]  # this is the crime


def transactional_id_per_process() -> None:
    """Give every process ids of its own, so that opening a writer fences nobody."""

    def transactional_id(rules: LaneRules, partition: Partition) -> str:
        return f"{rules.app}.{rules.group}.{partition.topic}.{partition.number}.{os.getpid()}"

    LaneRules.transactional_id = transactional_id  # type: ignore[method-assign]  # this is the crime


def one_transactional_id() -> None:
    """Share one id among all partitions, so that opening a writer fences every other lane."""
    LaneRules.transactional_id = lambda rules, partition: f"{rules.app}.{rules.group}"  # type: ignore[method-assign]  # this is the crime


def sends_not_awaited() -> None:
    """Commit without looking at what became of the sends: aiokafka commits although one failed."""

    async def send(producer, packets):
        for packet in packets:
            packet.batch.close()
            future = await producer.aiokafka.send_batch(packet.batch, packet.topic, partition=packet.partition)
            future.add_done_callback(retrieve)

    Producer.send = send  # type: ignore[method-assign]  # this is the crime


def offsets_before_fence() -> None:
    """Read what is committed before the writer is opened: the owner before us may still commit in between.

    The gap lasts while the gate, a file, is missing; what was read is kept should the activation begin anew meanwhile.
    """
    known, gate = {}, Path(os.environ["BROKEN_GATE"])

    async def fence_and_read(lane):
        lane._drop_writer()
        if lane.partition not in known:
            known[lane.partition] = await lane._read_past()
            print('{"event": "read_too_early"}', file=sys.stderr, flush=True)
        past = known[lane.partition]
        await until(gate.exists, 60)
        writer = lane._new_writer()
        try:
            await writer.open()
        except BaseException:
            writer.discard()
            raise
        lane._writer = writer
        known.pop(lane.partition, None)
        return past

    Lane._fence_and_read = fence_and_read  # type: ignore[method-assign]  # this is the crime


CRIMES: Mapping[str, Callable[[], None]] = {
    crime.__name__: crime
    for crime in (
        position_from_received,
        transactional_id_per_process,
        one_transactional_id,
        sends_not_awaited,
        offsets_before_fence,
    )
}

if __name__ == "__main__":
    cadence._SAVED = (
        0  # every commit keeps its pause, so a worker that is held or killed has events that are settled and not committed
    )
    CRIMES[os.environ["BROKEN_RULE"]]()
    sys.exit(main())
