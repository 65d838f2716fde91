"""Errors of the log, split by what the caller does next.

LogError
├── LogUnavailable      wait and try again; nothing is known to be wrong with us
├── WriterLost          the transaction's fate is unknown: replace the writer, read back what was committed
├── WriterFenced        somebody else owns the lane now: forget everything, publish nothing
├── RecordTooLarge      this one record can never be published: publish a smaller one in its place
└── LogRefused          an operator must act: authentication, authorisation, a missing topic
"""


class LogError(Exception):
    """Any failure of the log."""


class LogUnavailable(LogError):
    """The broker cannot be reached or has no answer yet; try again."""


class WriterLost(LogError):
    """It is not known whether the transaction was committed; replace the writer and read the committed position."""


class WriterFenced(LogError):
    """Another writer with the same transactional id has taken over."""


class RecordTooLarge(LogError):
    """The broker or the producer's limit refuses a record of this size; `index` is its place in the burst."""

    def __init__(self, index: int, size_bytes: int) -> None:
        super().__init__(f"record {index} of the burst has {size_bytes} bytes, more than the log accepts")
        self.index = index
        self.size_bytes = size_bytes


class LogRefused(LogError):
    """The broker refuses us for a reason only an operator can change; the message says which and what to do."""


def missing_topic(topic: str) -> LogRefused:
    """Return the refusal every log gives to whoever wants to read a topic that is not there."""
    return LogRefused(f"topic {topic} does not exist: create it with `nanotriage topics apply`")
