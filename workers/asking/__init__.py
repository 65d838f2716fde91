"""Asking: a batch of texts becomes a question, and a question an answer or a fault. Knows nothing of Kafka or judging."""
