"""For all tests: examples are judged by what they show, never by how long a shared machine took for one."""

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
