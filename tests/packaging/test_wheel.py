"""The wheel, built and installed into an environment of its own: what is in it, and that it works where a user stands."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "NANOTRIAGE_", "OPENAI_", "VIRTUAL_ENV", "COV_"))}
TASK = """\
name: mine
source: {topic: in, text: body}
instructions: Read it.
fields:
  intent: {kind: label, labels: {buy: wants to buy, sell: wants to sell}}
checks:
  - {check: function, function: "my_checks:never"}
routes: {labelled: out, escalated: more, dead: dead}
"""


def run(*command, cwd, code=0, **variables):
    """Run a program in a clean environment; return what it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=CLEAN | variables,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == code, f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(UV, "build", "--wheel", "--quiet", "--out-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def content(wheel):
    with zipfile.ZipFile(wheel) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Return the folder of programs of an environment with the locked dependencies and the wheel, nothing else."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    python = venv / "bin" / "python"
    run(UV, "venv", "--quiet", "--python", sys.executable, venv, cwd=venv.parent)
    install = (UV, "pip", "install", "--quiet", "--python", python)
    run(*install, "--require-hashes", "-r", ROOT / "requirements" / "runtime.txt", cwd=venv.parent)
    run(*install, "--no-deps", wheel, cwd=venv.parent)
    return venv / "bin"


@pytest.fixture
def users_folder(tmp_path):
    """A folder with a task, the code it names, and packages that happen to be called like ours."""
    (tmp_path / "task.yaml").write_text(TASK)
    (tmp_path / "my_checks.py").write_text("def never(fields, text):\n    return None\n")
    for name in ("schemas", "topics"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the decoy was imported')\n")
    return tmp_path


def test_the_wheel_has_our_three_packages_and_nothing_else(content):
    """No tests, no deployment files, no second copy."""
    tops = {name.split("/", 1)[0] for name in content}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"workers", "topics", "schemas"}
    assert not [name for name in content if "test" in Path(name).name or "__pycache__" in name]


@pytest.mark.parametrize("suffix", [".py", ".yaml", ".jsonl", ".json", ".toml", ".lock"])
def test_every_file_of_the_packages_is_in_the_wheel(content, suffix):
    """Code, tasks with samples and gold, published schemas, prices, locks: as they are in the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "workers", "topics", "schemas"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    ours = [name for name in listed if name.endswith(suffix) and (ROOT / name).is_file()]
    assert ours, "no such file in the checkout: is git there?"
    assert [name for name in ours if content.get(name) != (ROOT / name).read_bytes()] == []


def test_the_wheel_says_what_it_is(content):
    """Name, entry point, licence, and the bar against publishing it."""
    (metadata,) = (raw.decode() for name, raw in content.items() if name.endswith(".dist-info/METADATA"))
    assert "\nName: nanotriage\n" in metadata
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    assert "\nClassifier: Private :: Do Not Upload\n" in metadata
    (entries,) = (raw.decode() for name, raw in content.items() if name.endswith("entry_points.txt"))
    assert "nanotriage = workers.cli:main" in entries
    assert any(name.endswith("/licenses/LICENSE") for name in content)


def test_the_locks_satisfy_the_wheel(installed):
    """Installed without its own dependencies, it misses none and likes every version."""
    run(UV, "pip", "check", "--python", installed / "python", cwd=installed)


def test_the_version_is_the_wheels(installed, wheel, tmp_path):
    """And the command line starts."""
    assert run(installed / "nanotriage", "--version", cwd=tmp_path).split() == ["nanotriage", wheel.name.split("-")[1]]


def test_it_works_beside_folders_of_our_names(installed, users_folder):
    """The console script finds its own packages, whatever stands in the user's folder."""
    rows = json.loads(run(installed / "nanotriage", "settings", "--json", cwd=users_folder))
    assert "kafka.brokers" in {row["name"] for row in rows}
    published = json.loads(run(installed / "nanotriage", "schemas", "print", "labelled.v1", cwd=users_folder))
    assert published == json.loads((ROOT / "schemas" / "published" / "labelled.v1.json").read_text())


LOAD = """
import sys, workers.cli, schemas
from workers.taskfiles import load_task, shipped_tasks
mine = load_task("task.yaml")
assert "venv" in schemas.__file__, schemas.__file__
assert list(mine.functions) == ["my_checks:never"]
for name in shipped_tasks():
    task = load_task(name)
    assert task.sample_path and task.gold_path and task.examples_path, name
print(mine.task.name, *shipped_tasks())
"""


def test_tasks_load_in_the_users_folder(installed, users_folder):
    """His own with his own code, and the shipped ones with their data."""
    printed = run(installed / "python", "-P", "-c", LOAD, cwd=users_folder)
    assert printed.split() == ["mine", "banking_support", "card_transactions", "support_tickets"]


def test_a_decoy_that_would_win_is_refused(installed, users_folder):
    """`python -m workers` puts the user's folder first: one sentence, and none of the decoy's code runs."""
    said = run(installed / "python", "-m", "workers", "--version", cwd=users_folder, code=2)
    assert said.startswith("error: `import schemas` finds ")
    assert "Traceback" not in said
    assert "decoy was imported" not in said
    safe = run(installed / "python", "-m", "workers", "--version", cwd=users_folder, PYTHONSAFEPATH="1")
    assert safe.startswith("nanotriage ")


@pytest.mark.parametrize(("flags", "variables"), [(["-O"], {}), (["-OO"], {}), ([], {"PYTHONOPTIMIZE": "1"})])
def test_an_interpreter_without_asserts_is_refused(installed, tmp_path, flags, variables):
    """They keep delivery exact."""
    said = run(installed / "python", *flags, "-m", "workers", "--version", cwd=tmp_path, code=2, **variables)
    assert said.startswith("error: python -O removes")


@pytest.mark.parametrize(("command", "code"), [(["kafka", "up"], 3), (["demo"], 2), (["model", "up"], 2)])
def test_a_command_whose_extra_is_missing_says_which(installed, tmp_path, command, code):
    """Without the local extra there is one sentence with what to install, not a traceback."""
    said = run(installed / "nanotriage", *command, cwd=tmp_path, code=code)
    assert "nanotriage[local]" in said
    assert "Traceback" not in said
