"""Remembering: what is kept of a conversation. Pure; `workers.stateful` keeps it, the lanes read it."""
