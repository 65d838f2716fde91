"""This installation: its version, and whether interpreter and packages can be trusted."""

import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def installed_version() -> str:
    """Return our distribution's version, or `0+unknown` when it runs from a folder that was never installed."""
    try:
        return version("nanotriage")
    except PackageNotFoundError:
        return "0+unknown"


def refusal_of_interpreter() -> str | None:
    """Return why this interpreter or installation cannot be trusted, or None."""
    if not __debug__:
        return "python -O removes the checks that keep delivery exact: run without -O and without PYTHONOPTIMIZE"
    return decoy(Path(__file__).resolve().parent.parent)


def decoy(home: Path) -> str | None:
    """Return the refusal when another `schemas` or `topics` than the one beside `workers` would be imported, or None."""
    for room in ("schemas", "topics"):
        spec = importlib.util.find_spec(room)
        found = Path(spec.origin).resolve().parent if spec is not None and spec.origin else None
        if found != home / room:
            return (
                f"`import {room}` finds {found or 'nothing'} instead of {home / room}: "
                "run from another folder, with the console script `nanotriage`, or in an environment of its own"
            )
    return None
