"""Limiting: when a call may start. One state per account, for everything that can make it wait."""
