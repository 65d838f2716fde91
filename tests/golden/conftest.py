"""Golden files: text that must not change unnoticed. `make golden` (NANOTRIAGE_GOLDEN=write) writes them anew."""

import difflib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Return `golden(name, text)`, which compares text with the file of that name, or writes it."""

    def compare(name: str, text: str) -> None:
        path = HERE / name
        if os.environ.get("NANOTRIAGE_GOLDEN") == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        kept = path.read_text(encoding="utf-8") if path.is_file() else ""
        if kept != text:
            lines = difflib.unified_diff(kept.splitlines(), text.splitlines(), f"tests/golden/{name}", "now", lineterm="")
            pytest.fail("\n".join(["run `make golden` if this change is meant:", *lines]), pytrace=False)

    return compare
