"""The real Kafka for contracts that both it and its stand-in keep."""

from tests.kafka_fixtures import bootstrap, kafka, topic_maker

__all__ = ["bootstrap", "kafka", "topic_maker"]
