"""Judging: what an answer says of each message, and whether it may be believed."""
