"""A real Apache Kafka for demonstrations and tests: no Docker, no system Java, nothing left behind."""

from topics.embedded.cluster import EmbeddedKafka
from topics.embedded.errors import EmbeddedKafkaError

__all__ = ["EmbeddedKafka", "EmbeddedKafkaError"]
