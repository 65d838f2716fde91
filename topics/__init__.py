"""Where records come from and go: Kafka, and a log in memory under the same contract. Knows nothing of models."""
