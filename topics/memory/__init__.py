"""The log in memory: the same promises as Kafka's (tests/contracts/test_log*.py), for tests, simulation and dry runs."""

from topics.memory.cluster import MemoryCluster
from topics.memory.delays import Delays
from topics.memory.log import MemoryLog

__all__ = ["Delays", "MemoryCluster", "MemoryLog"]
