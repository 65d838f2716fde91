"""Where the public labelled data lies that some tests use beyond what is shipped; without it they are skipped."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def find_public_data() -> Path | None:
    """Return the folder of NANOTRIAGE_TEST_DATA, or a `data` folder in a folder beside the checkout, if there is one."""
    given = os.environ.get("NANOTRIAGE_TEST_DATA")
    beside = next((path.parent for path in sorted(ROOT.parent.glob("*/data/banking77"))), None)
    return Path(given) if given else beside


def require_public_data() -> Path:
    """Return the folder, or skip the test."""
    found = find_public_data()
    if found is None:
        pytest.skip("set NANOTRIAGE_TEST_DATA to the folder of public labelled data")
    return found
