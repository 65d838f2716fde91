"""Known vulnerabilities of what the images hold: pip-audit over the locks, against the database that PyPI serves or an OSV mirror.

`python -m tests.deploy.audit [--osv-url URL]`. Exit code 1 for a vulnerable package, 0 otherwise. A database that does not know
a release whose vulnerabilities have been public since 2019 is none: then nothing was checked, and that is said.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.deploy import tools
from tests.deploy.tools import ROOT, ToolMissing

LOCKS = tuple(ROOT / "requirements" / f"{name}.txt" for name in ("runtime", "local", "stateful"))
KNOWN = "urllib3==1.24.1"
"""CVE-2019-11236, CVE-2019-11324 and others."""
SECONDS = 300


@dataclass(frozen=True, slots=True)
class Audit:
    """What the database said: packages it knows, those it does not, and a sentence for each vulnerable one."""

    checked: int
    unheard: tuple[str, ...]
    vulnerable: tuple[str, ...]


def audit(requirements: Path, osv_url: str | None = None) -> Audit:
    """Ask about every pinned package. Raises ToolMissing where no database answers."""
    service = ["-s", "osv", "--osv-url", osv_url] if osv_url else []
    how = ["--disable-pip", "--no-deps", "--progress-spinner", "off", "--desc", "off", "-f", "json", *service]
    command = [tools.supply_chain(), "-m", "pip_audit", *how, "-r", requirements]
    with tempfile.TemporaryDirectory() as cache:  # an answer of before is none of today
        try:
            done = subprocess.run(
                [*map(str, command), "--cache-dir", cache], capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise ToolMissing(f"no vulnerability database answered within {SECONDS} s") from None
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        raise ToolMissing(f"no vulnerability database answers: {done.stderr.strip().splitlines()[-1:]}") from None
    return Audit(
        checked=sum("vulns" in one for one in found),
        unheard=tuple(one["name"] for one in found if "vulns" not in one),
        vulnerable=tuple(_sentence(one) for one in found if one.get("vulns")),
    )


def require_database(osv_url: str | None = None) -> None:
    """Raise ToolMissing where the database does not know what has long been known."""
    with tempfile.TemporaryDirectory() as folder:
        control = Path(folder) / "control.txt"
        control.write_text(f"{KNOWN}\n")
        if not audit(control, osv_url).vulnerable:
            raise ToolMissing(f"the vulnerability database here knows nothing of {KNOWN}, so it is none")


def _sentence(one: dict) -> str:
    ids = ", ".join(sorted({each for found in one["vulns"] for each in (found["id"], *found["aliases"])}))
    fixed = sorted({version for found in one["vulns"] for version in found["fix_versions"]})
    return f"{one['name']} {one['version']} is vulnerable ({ids}); fixed in {', '.join(fixed) or 'no release yet'}"


def main(arguments: Sequence[str] | None = None, locks: Sequence[Path] = LOCKS) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.audit", description=__doc__)
    parser.add_argument("--osv-url", help="query address of an OSV database, instead of PyPI's")
    osv_url = parser.parse_args(arguments).osv_url
    try:
        require_database(osv_url)
        audits = {lock: audit(lock, osv_url) for lock in locks}
    except ToolMissing as missing:
        print(f"audit: 0 of {len(locks)} locks checked, {len(locks)} skipped: {missing}")
        return 0
    for lock, said in audits.items():
        unheard = f", {len(said.unheard)} not in the database: {', '.join(said.unheard)}" if said.unheard else ""
        print(f"audit: {lock.name}: {said.checked} packages checked, {len(said.vulnerable)} vulnerable{unheard}")
        for sentence in said.vulnerable:
            print(f"  {sentence}: raise it with `make lock`")
    return 1 if any(said.vulnerable for said in audits.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
