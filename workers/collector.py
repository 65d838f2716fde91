"""The garbage collector, told what a worker is like.

What the start has made (modules, models, settings: hundreds of thousands of objects) stays for good, and a message is freed by
its count of references as soon as its event is committed. By default both are walked again and again for cycles that are not
there, which costs time, and now and then some tens of milliseconds at once. Cycles are rare (errors and their
tracebacks) and are still found, a little later.
"""

import gc

_YOUNG = 50_000
"""New objects in excess of freed ones before the collector looks at them: about what a full worker has under way."""


def spare() -> None:
    """Let the collector pass over everything that is there now (`gc.freeze`), and look at new objects less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
