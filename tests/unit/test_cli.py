"""The command line: exit codes, one sentence for a user's mistake, and no cost for commands that are not called."""

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workers.cli import COMMANDS, load_command
from workers.exits import EXPECTED, Exit, UserError, ended, expected_code
from workers.installation import decoy

ROOT = Path(__file__).resolve().parents[2]
SECRET = "correct-horse-battery"


def nanotriage(*args: str, cwd: Path, python: tuple[str, ...] = (), **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, with no settings but these."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NANOTRIAGE_", "OPENAI_"))}
    return subprocess.run(
        [sys.executable, *python, "-m", "workers", *args],
        cwd=cwd,
        env={**environment, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_command_and_imports_none_of_them(tmp_path) -> None:
    """Nobody waits for a Kafka client to read a list."""
    heavy = ("aiokafka", "openai", "onnxruntime", "aiohttp", "pydantic", "rich", "numpy")
    code = (
        f"import sys; from workers.cli import main; main(['--help']); sys.exit(str([m for m in {heavy} if m in sys.modules]))"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)
    assert done.stderr.strip() == "[]"
    assert time.monotonic() - began < 5  # a machine under load; 0.15 s on an idle one


def test_the_list_of_commands_cuts_no_sentence(tmp_path) -> None:
    """On a terminal of 80 columns each command has one whole line."""
    done = nanotriage("--help", cwd=tmp_path, COLUMNS="80")
    lines = done.stdout.split("Commands:\n")[1].splitlines()
    assert len(lines) == len(COMMANDS)
    assert [line for line in lines if line.endswith("...")] == []


def test_no_argument_is_help_and_version_is_a_version(tmp_path) -> None:
    """Both are answers, not errors."""
    assert nanotriage(cwd=tmp_path).stdout.startswith("Usage: nanotriage")
    done = nanotriage("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout.split()[0]) == (Exit.OK, "nanotriage")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["runn"], "Did you mean 'run'?"),
        (["--bad"], "No such option: --bad"),
        (["run"], "Missing option '--task': see `nanotriage run --help`"),
        (["run", "--taks", "x"], "No such option: --taks (Possible options: --task): see `nanotriage run --help`"),
        (["kafka", "upp"], "see `nanotriage kafka --help`"),
        (["model", "up", "--labeller", "best"], "'best' is not one of"),
        (["run", "--task", "support_tickets", "--set", "model.concurrency=many"], "model.concurrency"),
        (["settings", "--set", "x"], "--set takes NAME=VALUE"),
        (["settings", "--set", "kafka.brokerz=a:1"], "did you mean kafka.brokers?"),
        (["settings", "--config", "missing.toml"], "missing.toml"),
        (["schemas", "print", "nothing"], "choose one of labelled.v1"),
        (["topics", "plan", "--task", "no_such_task"], "no_such_task"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(args, said, tmp_path) -> None:
    """And never a traceback, nor anything on stdout."""
    done = nanotriage(*args, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_with_json_an_error_is_json_too(tmp_path) -> None:
    """A program reads one format."""
    done = nanotriage("settings", "--json", "--set", "kafka.brokers=none", cwd=tmp_path)
    assert json.loads(done.stderr)["error"].startswith("command line: kafka.brokers should be host:port")


def test_settings_shows_values_and_sources_and_hides_secrets(tmp_path) -> None:
    """In the table and in JSON."""
    (tmp_path / "nanotriage.toml").write_text('[kafka]\ngroup = "mine"\n')
    for extra in ((), ("--json",)):
        done = nanotriage("settings", "--set", "batching.max_items=4", *extra, cwd=tmp_path, NANOTRIAGE_MODEL__API_KEY=SECRET)
        assert done.returncode == Exit.OK
        assert SECRET not in done.stdout + done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["model.api_key"] == {"name": "model.api_key", "value": "[hidden]", "source": "NANOTRIAGE_MODEL__API_KEY"}
    assert (rows["kafka.group"]["value"], rows["kafka.group"]["source"]) == ("mine", "nanotriage.toml: kafka.group")
    assert rows["batching.max_items"]["source"] == "command line: batching.max_items"
    assert rows["stop_seconds"] == {"name": "stop_seconds", "value": "25.0", "source": "default"}


def test_python_without_assertions_is_refused(tmp_path) -> None:
    """-O removes the checks of state."""
    done = nanotriage("settings", cwd=tmp_path, python=("-O",))
    assert done.returncode == Exit.USAGE
    assert done.stderr.startswith("error: python -O removes the checks")


def test_a_decoy_package_is_refused(tmp_path) -> None:
    """`python -m workers` in a folder that has its own `schemas` would import that one."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "__init__.py").write_text("raise RuntimeError('imported')")
    done = nanotriage("--help", cwd=tmp_path)
    assert done.returncode == Exit.USAGE
    assert done.stderr.startswith("error: `import schemas` finds ")
    assert len(done.stderr.splitlines()) == 1
    assert decoy(ROOT) is None


def test_every_expected_error_exists_and_has_its_exit_code() -> None:
    """The table names classes instead of importing them: a renamed one would become a crash."""
    for (module, name), code in EXPECTED.items():
        cls = getattr(importlib.import_module(module), name)
        assert (cls.__module__, cls.__qualname__) == (module, name)
        assert expected_code(Exception.__new__(cls)) is code
    assert expected_code(ValueError()) is None


def test_an_expected_error_inside_a_group_is_still_one_sentence(capsys) -> None:
    """Task groups wrap what their tasks raise."""

    def run() -> int:
        raise ExceptionGroup("tasks", [ExceptionGroup("inner", [UserError("no model", Exit.MODEL)])])

    assert ended(run, as_json=False) == Exit.MODEL
    assert capsys.readouterr().err == "error: no model\n"


def test_a_crash_is_one_sentence_and_its_traceback_a_file_of_our_own(capsys, monkeypatch, tmp_path) -> None:
    """Readable by its owner only; NANOTRIAGE_TRACEBACK=1 shows it instead."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NANOTRIAGE_TRACEBACK", raising=False)

    def run() -> int:
        raise ZeroDivisionError("deep")

    assert ended(run, as_json=False) == Exit.FAILED
    (crash,) = Path(".nanotriage").iterdir()
    assert "ZeroDivisionError: deep" in crash.read_text()
    assert crash.stat().st_mode & 0o077 == 0
    assert capsys.readouterr().err == f"error: unexpected ZeroDivisionError; the traceback is in {crash}, please report it\n"
    monkeypatch.setenv("NANOTRIAGE_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        ended(run, as_json=False)


def test_an_interrupt_is_130() -> None:
    """As shells expect."""

    def run() -> int:
        raise KeyboardInterrupt

    assert ended(run, as_json=False) == Exit.INTERRUPTED


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_imported_and_explains_itself(name, tmp_path) -> None:
    """The table of commands names what exists."""
    assert load_command(name).get_short_help_str(500)


def test_a_missing_package_says_how_to_get_it(monkeypatch) -> None:
    """`nanotriage demo` without the extra is no traceback."""
    monkeypatch.setitem(COMMANDS, "demo", COMMANDS["demo"]._replace(place="no_such_package.demo:demo"))
    with pytest.raises(UserError, match=r"needs the Python package no_such_package: pip install"):
        load_command("demo")
    monkeypatch.setitem(COMMANDS, "discover", COMMANDS["discover"]._replace(place="no_such_package.x:discover"))
    with pytest.raises(UserError, match=r'pip install "nanotriage\[discover\]"'):
        load_command("discover")
    monkeypatch.setitem(COMMANDS, "demo", COMMANDS["demo"]._replace(place="workers.no_such_module:demo"))
    with pytest.raises(UserError, match="install nanotriage again"):
        load_command("demo")
