"""The bill of materials of the image: every package of `requirements/runtime.txt` with its version and its hashes."""

import sys
from pathlib import Path

from tests.deploy import tools
from tests.deploy.tools import ROOT


def write(path: Path) -> None:
    """Write it as CycloneDX 1.6, checked by its generator against that schema. Raises ToolMissing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = ["--pyproject", ROOT / "pyproject.toml", "--mc-type", "application", "--sv", "1.6", "--of", "JSON"]
    command = [tools.supply_chain(), "-m", "cyclonedx_py", "requirements", ROOT / "requirements" / "runtime.txt", *options]
    tools.run([*command, "--output-reproducible", "--validate", "-o", path], cwd=ROOT, seconds=120)


if __name__ == "__main__":
    try:
        write(Path(sys.argv[1]))
    except tools.ToolMissing as missing:
        sys.exit(f"error: {missing}")
    print(sys.argv[1])
