"""What may be set of the Kafka adapter, and the bounds that must hold between the settings."""

import logging
from dataclasses import dataclass
from typing import Literal

Compression = Literal["lz4", "snappy", "zstd", "gzip"]


@dataclass(frozen=True, slots=True)
class IntakeTimings:
    """Timeouts of the group membership, in seconds.

    heartbeat < session, revoke < rebalance < request: a member that is slow to give up its partitions must still be
    waited for by the group, and a join must outlast the slowest member.
    """

    session: float = 15.0
    heartbeat: float = 3.0
    revoke: float = 10.0
    rebalance: float = 15.0
    request: float = 25.0
    max_poll_interval: float = 300.0
    start: float = 60.0
    metadata_max_age: float = 10.0  # so long an added partition waits for its first reader

    def __post_init__(self) -> None:
        if not self.heartbeat < self.session or not self.revoke < self.rebalance < self.request:
            raise ValueError(f"timeouts must keep heartbeat < session and revoke < rebalance < request: {self}")


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """Limits of a lane's producer.

    commit and open < request: we give up before aiokafka does, so a doubtful producer is replaced and not retried.
    request < transaction: the broker aborts only what nobody is working on any more.
    """

    commit_seconds: float = 15.0
    open_seconds: float = 15.0
    request_seconds: float = 20.0
    transaction_seconds: float = 40.0
    batch_bytes: int = 256 * 1024
    max_record_bytes: int = 1024 * 1024
    compression: Compression | None = "zstd"

    def __post_init__(self) -> None:
        if not max(self.commit_seconds, self.open_seconds) < self.request_seconds < self.transaction_seconds:
            raise ValueError(f"timeouts must keep commit and open < request < transaction: {self}")


def quiet_aiokafka() -> None:
    """Keep aiokafka from logging below INFO, whatever the root level is: at DEBUG it writes passwords and message bodies."""
    logger = logging.getLogger("aiokafka")
    logger.setLevel(max(logging.INFO, logger.getEffectiveLevel()))
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("aiokafka.") and logging.getLogger(name).level < logging.INFO:
            logging.getLogger(name).setLevel(logging.NOTSET)
