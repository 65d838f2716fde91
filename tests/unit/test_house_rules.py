"""The house rules that a program can see. What ruff, mypy and import-linter check is not checked again."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from workers.metrics import catalogue
from workers.setting_table import describe

ROOT = Path(__file__).parents[2]
ROOMS = ("workers", "topics", "schemas")
MOST_FILE_LINES, MOST_FUNCTION_LINES, MOST_PARAMETERS = 300, 60, 8
# No clock, no chance, no I/O, no event loop: time and randomness are arguments.
PURE = (
    "schemas/*.py",
    "topics/codec.py",
    "topics/commit_map.py",
    "topics/errors.py",
    "topics/ledger.py",
    "topics/partitioner.py",
    "topics/record.py",
    "workers/asking/classify.py",
    "workers/asking/model.py",
    "workers/asking/prompt.py",
    "workers/asking/retry.py",
    "workers/asking/route.py",
    "workers/allowance.py",
    "workers/asking/rate_headers.py",
    "workers/batching/tokens.py",
    "workers/guarding/*.py",
    "workers/batching/window.py",
    "workers/judging/*.py",
    "workers/limiting/account.py",
    "workers/limiting/breaker.py",
    "workers/limiting/bucket.py",
    "workers/limiting/concurrency.py",
    "workers/limiting/hedging.py",
    "workers/limiting/loan.py",
    "workers/limiting/outcome.py",
    "workers/limiting/quota.py",
    "workers/limiting/ramp.py",
    "workers/limiting/retries.py",
    "workers/patience.py",
    "workers/probing/*.py",
    "workers/promising/*.py",
    "workers/remembering/*.py",
    "workers/stateful/baselines.py",
    "workers/stateful/comparing.py",
    "workers/stateful/keeper.py",
    "workers/stateful/seasons.py",
    "workers/stateful/traffic.py",
    "workers/stateful/watching.py",
    "workers/stateful/windows.py",
    "workers/summing.py",
    "workers/routing.py",
    "workers/modelserver/softmax_regression.py",
    "workers/modelserver/strict_schema.py",
)
ASKS = {"workers/asking/model.py", "workers/asking/route.py"}  # what they wait for is a model that is handed in
IMPURE_MODULES = {
    "asyncio",
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "socket",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
}
IMPURE_CALLS = {"open", "print", "input", "now", "today", "utcnow", "uuid1", "uuid4"}
# In two parts, so that this file does not break its own rule.
HOSTS = tuple(
    a + b
    for a, b in (
        ("pypi", ".org"),
        ("python", "hosted.org"),
        ("repo.maven", ".apache"),
        ("repo1", ".maven"),
        ("registry.", "npmjs"),
        ("docker", ".io"),
        ("ghcr", ".io"),
        ("quay", ".io"),
        ("huggingface", ".co"),
        ("art", "ifactory"),
    )
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)(?=/)")
NOTES = re.compile(r"\b(?:TO" r"DO|FIX" r"ME)\b")
TEST_ROOMS = (
    "unit",
    "properties",
    "contracts",
    "golden",
    "broker",
    "packaging",
    "simulation",
    "docs",
    "chaos",
    "quality",
    "deploy",
)


@cache
def tracked() -> tuple[str, ...]:
    """Return every file of the project that is, or will be, under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    names = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    if not names:
        pytest.skip("this is no git checkout")
    return tuple(names)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(text_of(name))


def sources(*rooms: str) -> list[str]:
    return [name for name in tracked() if name.endswith(".py") and name.split("/", 1)[0] in rooms]


def functions(name: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree_of(name)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return len([argument for argument in arguments if argument.arg not in {"self", "cls"}])


def imported(tree: ast.Module) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_source_files_fit_in_a_head():
    """At most 300 lines, one thought each."""
    assert {name: n for name in sources(*ROOMS) if (n := len(text_of(name).splitlines())) > MOST_FILE_LINES} == {}


def test_functions_fit_on_a_screen():
    """At most 60 lines, docstring included."""
    found = {
        f"{name}:{f.lineno} {f.name}": n
        for name in sources(*ROOMS)
        for f in functions(name)
        if (n := length(f)) > MOST_FUNCTION_LINES
    }
    assert found == {}


def test_functions_take_few_parameters():
    """At most eight; a command's are its flags and do not count."""
    names = [name for name in sources(*ROOMS) if not name.startswith("workers/commands/")]
    found = {
        f"{name}:{f.lineno} {f.name}": n for name in names for f in functions(name) if (n := parameters(f)) > MOST_PARAMETERS
    }
    assert found == {}


@pytest.mark.parametrize("pattern", PURE)
def test_pure_code_has_no_clock_no_chance_and_no_io(pattern):
    """It decides; drivers act. The module exists, so that a rename is noticed here."""
    names = [str(path.relative_to(ROOT)) for path in ROOT.glob(pattern)]
    assert names
    for name in names:
        assert {module.split(".")[0] for module in imported(tree_of(name))} & IMPURE_MODULES == set(), name
        called = [node.func for node in ast.walk(tree_of(name)) if isinstance(node, ast.Call)]
        words = {f.attr if isinstance(f, ast.Attribute) else f.id for f in called if isinstance(f, ast.Attribute | ast.Name)}
        assert words & IMPURE_CALLS == set(), name
        waits = [node for node in ast.walk(tree_of(name)) if isinstance(node, ast.AsyncFunctionDef)]
        assert not waits or name in ASKS, name


def test_the_environment_is_read_at_the_top_only():
    """Settings, secrets, exits and whatever starts another program: nothing that decides."""
    readers = {name for name in sources(*ROOMS) if "os.environ" in text_of(name) or "getenv" in text_of(name)}
    allowed = {"workers/exits.py", "workers/secrets.py", "workers/settings.py", "workers/modelserver/local_model.py"}
    assert {name for name in readers if not name.startswith("workers/demo/")} <= allowed


def test_every_suppression_has_its_reason():
    """`noqa` and `type: ignore` say why, on their line or in a comment of their function."""
    bare = re.compile(r"#\s*(?:noqa(?!: )|noqa:\s*[A-Z0-9, ]+|type:\s*ignore(?:\[[\w, -]+\])?)\s*$")
    found = []
    for name in sources(*ROOMS):
        lines = text_of(name).splitlines()
        for number, line in enumerate(lines, start=1):
            if not bare.search(line):
                continue
            around = [lines[f.lineno - 1 : f.end_lineno] for f in functions(name) if f.lineno <= number <= (f.end_lineno or 0)]
            code = line.rsplit("noqa:", 1)[-1].strip() if "noqa:" in line else "ignore"
            told = [
                other
                for body in around
                for other in body
                if other.strip().startswith("#") or (code in other and not bare.search(other) and "#" in other)
            ]
            if not told:
                found.append(f"{name}:{number}")
    assert found == []


def test_tests_have_fakes_and_no_mocks():
    """A fake keeps a contract; a mock keeps what its test says."""
    banned = {"unittest.mock", "mock", "pytest_mock"}
    assert {name for name in sources("tests") if imported(tree_of(name)) & banned} == set()
    assert {name for name in sources("tests") for f in functions(name) if {a.arg for a in f.args.args} & {"mocker"}} == set()


@pytest.mark.parametrize("room", TEST_ROOMS)
def test_every_test_states_its_property(room):
    """In a docstring: what holds if it passes."""
    names = [name for name in sources("tests") if name.startswith(f"tests/{room}/")]
    silent = [
        f"{n}:{f.lineno} {f.name}"
        for n in names
        for f in functions(n)
        if f.name.startswith("test_") and not ast.get_docstring(f)
    ]
    assert silent == []


def test_no_test_can_be_imported_as_a_package():
    """Tests are found by path, so that a folder `tests` elsewhere cannot win."""
    assert [name for name in tracked() if name.startswith("tests/") and name.endswith("__init__.py")] == []


def written() -> list[str]:
    """Return the files that people wrote, without data sets and licences of others."""
    return [n for n in tracked() if not n.endswith((".jsonl", ".png", ".svg", ".gz")) and Path(n).name != "LICENSE"]


def test_nothing_names_a_machine():
    """No path that exists on one machine only."""
    found = [f"{name}: {match[0]}" for name in written() for match in [MACHINE_PATHS.search(text_of(name))] if match]
    assert found == []


def test_nothing_names_a_registry():
    """Packages and images come from wherever the machine is told to get them."""
    found = [f"{name}: {host}" for name in written() for host in HOSTS if host in text_of(name)]
    assert found == []


def test_nothing_is_left_to_do():
    """No notes to oneself in what is shipped."""
    assert [name for name in written() if NOTES.search(text_of(name))] == []


DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("deploy/**/*.md"), *ROOT.glob("deploy/**/*.y*ml"), *ROOT.glob("deploy/**/*.json")]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_exists(path):
    """Metrics, variables, settings and files: a dashboard on a metric that is gone shows a flat line for ever."""
    text = path.read_text(encoding="utf-8")
    metrics = {declared.exposed for declared in catalogue()}
    named = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bnanotriage_[a-z_]+[a-z]\b", text)}
    assert named - metrics - {name.removesuffix("_count") for name in metrics} == set()
    rows = describe()
    variables = {row.variable for row in rows}
    code = "".join(text_of(name) for name in [*sources(*ROOMS), "tests/golden/conftest.py"])
    unknown = {v for v in re.findall(r"\bNANOTRIAGE_[A-Z_]+[A-Z]\b", text) if v not in variables and v not in code}
    assert {v for v in unknown if not v.startswith("NANOTRIAGE_MODEL__PRICES")} == set()
    sections = {row.path[0] for row in rows if len(row.path) > 1}
    settings = {row.name for row in rows}
    dotted = {name for name in re.findall(r"`([a-z]+\.[a-z_]+)`", text) if name.split(".")[0] in sections}
    assert {name for name in dotted - settings if not (ROOT / name).exists()} == set()
    files = re.findall(r"`((?:workers|topics|schemas|tests|deploy|requirements)/[\w./-]*)`", text)
    assert [name for name in files if not (ROOT / name).exists()] == []
