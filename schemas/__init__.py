"""What data looks like: standard library and pydantic only, no I/O, no clock."""
