"""The collector leaves alone what stays for good, and still frees what only a cycle keeps."""

import gc
import weakref

import pytest

from workers import collector


@pytest.fixture
def spared():
    before = gc.get_threshold()
    collector.spare()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


class Node:
    def __init__(self):
        self.me = self


def test_what_is_there_at_the_start_is_not_walked_again(spared):
    """The collector knows of hardly anything but what was made since."""
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < 1_000


def test_cycles_are_still_freed(spared):
    """Without being asked to, once enough was made meanwhile."""
    node = weakref.ref(Node())
    kept = []
    while node() is not None and len(kept) < 200_000:
        kept.append([])
    assert node() is None
