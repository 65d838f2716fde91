"""Batching: which messages share a prompt, and when a batch closes."""
