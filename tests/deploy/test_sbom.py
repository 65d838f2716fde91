"""The bill of materials says what is locked, all of it, and the same each time."""

import json
import re

import pytest

from tests.deploy import sbom
from tests.deploy.tools import ROOT


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("sbom") / "sbom.json"
    sbom.write(path)
    return path


def test_every_locked_package_is_in_it_with_version_and_hash(made):
    """And nothing else; the product itself is what it is about."""
    found = json.loads(made.read_text())
    lock = (ROOT / "requirements" / "runtime.txt").read_text()
    locked = dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", lock, re.MULTILINE))
    assert {part["name"]: part["version"] for part in found["components"]} == locked
    hashes = {
        digest["content"]
        for part in found["components"]
        for reference in part.get("externalReferences", ())
        for digest in reference.get("hashes", ())
    }
    assert set(re.findall(r"sha256:([0-9a-f]{64})", lock)) <= hashes
    assert found["metadata"]["component"]["name"] == "nanotriage"


def test_it_is_the_same_each_time(made, tmp_path):
    """Neither a time nor a random number is in it, so that two builds can be compared."""
    sbom.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == made.read_bytes()
