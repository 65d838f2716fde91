"""What the local model answers to a data set, through the worker's own stages; asked once and kept."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from workers.evaluating.calibrating import evidence
from workers.evaluating.dry_run import DryRun, dry_run
from workers.evaluating.gold import load_gold, says_unknown
from workers.evaluating.inputs import load_inputs
from workers.evaluating.metered import Meter
from workers.modelserver.local_model import LocalModel
from workers.modelserver.options import ModelOptions
from workers.promising.threshold import Example
from workers.settings import load_settings
from workers.taskfiles import LoadedTask, load_task
from workers.wiring.model import openai_model

_DRY = {
    "health.port": "off",
    "stop_seconds": 1,
    "brake.dead_run": 1_000_000_000,
    "brake.dead_share": 1,
    "model.timeout_seconds": 300,
}


@dataclass(frozen=True, slots=True)
class Answers:
    """`examples` are (score, right) of the messages that nothing but the promise escalates, the first of them within scope.

    The last `outside` of them are out of scope; so are `silent` others, which something else escalates.
    """

    records: int
    examples: list[Example]
    outside: int
    silent: int


def answers_to(folder: Path, data: Path, progress: Callable[[int], None] = lambda _done: None) -> Answers:
    """Return the answers, from the file beside the task if they are those to this very task and data."""
    loaded, kept = load_task(str(folder)), folder / "answers.json"
    sources = [folder / name for name in ("task.yaml", "sample.jsonl", "gold.jsonl", "examples.jsonl")]
    sources.append(Path(__file__))  # it decides what is kept of them
    key = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in sources)).hexdigest()
    if kept.is_file() and (known := json.loads(kept.read_bytes()))["key"] == key:
        return _answers(known)
    found = asyncio.run(_ask(loaded, data, progress))
    kept.write_text(json.dumps({"key": key, **asdict(found)}), encoding="utf-8")
    return found


async def _ask(loaded: LoadedTask, data: Path, progress: Callable[[int], None]) -> Answers:
    assert loaded.sample_path is not None
    assert loaded.gold_path is not None
    inputs = load_inputs(loaded.sample_path, loaded.task.source)
    with LocalModel(ModelOptions(tasks=(str(loaded.path),), data=data)) as server:
        settings = load_settings({**_DRY, "model.base_url": server.base_url, "model.name": server.model})
        wanted = DryRun(loaded, inputs, settings, openai_model(settings.model), "quality", stall_seconds=300)
        outcomes = await dry_run(wanted, Meter(), lambda done, _why: progress(done))
    gold = load_gold(loaded.gold_path, loaded.task)
    outside = {name: fields for name, fields in gold.items() if says_unknown(loaded.task, fields)}
    inside = {name: fields for name, fields in gold.items() if name not in outside}
    within, beyond = (evidence(loaded.task, each, outcomes) for each in (inside, outside))
    examples = [*within.examples["*"], *beyond.examples["*"]]
    return Answers(len(outcomes), examples, len(beyond.examples["*"]), beyond.unknowns - len(beyond.examples["*"]))


def _answers(known: dict[str, object]) -> Answers:
    rows = {name: value for name, value in known.items() if name != "key"}
    answers = Answers(**rows)  # type: ignore[arg-type]  # as written above
    return Answers(answers.records, [Example(*row) for row in answers.examples], answers.outside, answers.silent)
