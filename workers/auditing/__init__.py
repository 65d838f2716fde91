"""Auditing: which labelled messages are looked at again, what that says of the task's promise, and what follows."""
