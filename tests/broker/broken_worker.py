"""The worker with one rule broken, for negative controls: `BROKEN_RULE=... python -m tests.broker.broken_worker run ...`.

Never imported by the product; a run of it must make the checker fail, or the checker proves nothing.
"""

import os
import sys
from collections.abc import Callable, Mapping

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


CRIMES: Mapping[str, Callable[[], None]] = {
    crime.__name__: crime for crime in (position_from_received, transactional_id_per_process)
}

if __name__ == "__main__":
    CRIMES[os.environ["BROKEN_RULE"]]()
    sys.exit(main())
