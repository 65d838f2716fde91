"""The real Kafka for contracts that both it and its stand-in keep."""

from tests.contracts.log_fixtures import bench, join, open_either, open_writer
from tests.kafka_fixtures import bootstrap, kafka, topic_maker

__all__ = ["bench", "bootstrap", "join", "kafka", "open_either", "open_writer", "topic_maker"]
