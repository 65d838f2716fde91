"""The one error of the embedded Kafka."""


class EmbeddedKafkaError(Exception):
    """The embedded Kafka cannot do what was asked; the first line says what is wrong and what to do next."""
