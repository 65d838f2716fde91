"""Discovering: what escalated messages have in common, as candidates for new labels."""
