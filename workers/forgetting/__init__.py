"""Erasure of a conversation, or of all of a customer: tombstones through every topic of ours that holds a key of theirs."""
