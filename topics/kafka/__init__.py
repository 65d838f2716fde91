"""The log on a real Kafka, by aiokafka 0.14."""

from topics.kafka.log import KafkaLog
from topics.kafka.settings import IntakeTimings, WriterSettings, quiet_aiokafka

__all__ = ["IntakeTimings", "KafkaLog", "WriterSettings", "quiet_aiokafka"]
