"""The user's own code, by what it says: a calibration holds for checks that stay as they are."""

import hashlib
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def code_hash(named: Iterable[Any]) -> str:
    """Return a hash of the modules that define these functions and classes, empty for none.

    A whole module counts, because a check may call its neighbours; what it imports does not. Code without a source file (built
    in, or compiled) counts by its qualified name.
    """
    sources = {_source(one) for one in named}
    return hashlib.sha256(b"\0".join(sorted(sources))).hexdigest()[:16] if sources else ""


def _source(named: Any) -> bytes:
    module = inspect.getmodule(named)
    path = getattr(module, "__file__", None)
    if path is not None and path.endswith(".py"):
        try:
            return Path(path).read_bytes()
        except OSError:
            pass  # it was deleted since, or stands in an archive: its name is what is left
    return f"{getattr(module, '__name__', sys.executable)}:{getattr(named, '__qualname__', type(named).__qualname__)}".encode()
