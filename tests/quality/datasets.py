"""Public labelled data as tasks with a promise: more messages than the shipped samples hold, none of them an example."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from schemas.promise import Promise
from tests.tools.build_tasks import (
    SEED,
    banking_support,
    card_transactions,
    distinct,
    few,
    read,
    slug,
    stratified,
    support_tickets,
    write,
)
from workers.taskfiles import load_task

SIZE = 5_000
OUT_OF_SCOPE = "oos"
PROMISE = "promise: {error: 0.05, confidence: 0.9}"
PROMISED = Promise(error=0.05, confidence=0.9)
_CLINC = """name: clinc150
source: {topic: clinc.in, text: text, id: id}
instructions: The texts are what people say to an assistant. Choose what they want.
fields:
  intent:
    kind: label
    labels:
%s
%s
routes: {labelled: clinc.labelled, escalated: clinc.escalated, dead: clinc.dead}
examples: examples.jsonl
"""


@dataclass(frozen=True, slots=True)
class DataSet:
    """`make(data, folder, size)` writes sample, gold and examples; the task is `shipped`, None for one it writes itself.

    `promises` are what to promise, one after the other.
    """

    folder: str
    make: Callable[[Path, Path, int], None]
    shipped: str | None
    size: int = SIZE
    promises: tuple[Promise, ...] = (PROMISED,)

    def build(self, data: Path, into: Path) -> Path:
        """Write the task's folder and return it. The same data gives the same bytes."""
        into.mkdir(parents=True, exist_ok=True)
        self.make(data / self.folder, into, self.size)
        if self.shipped is not None:
            promised_task(self.shipped, into)
        return into


def promised_task(shipped: str, into: Path) -> None:
    """Write the shipped task with a promise in the place of its thresholds."""
    yaml = load_task(shipped).path.read_text(encoding="utf-8")
    yaml, changed = re.subn(r"^thresholds:\n(?: .*\n)+", f"{PROMISE}\n", yaml, flags=re.MULTILINE)
    if not changed:
        yaml += f"\n{PROMISE}\n"
    (into / "task.yaml").write_text(yaml, encoding="utf-8")


def clinc150(data: Path, folder: Path, size: int) -> None:
    """150 intents, and every out-of-scope text there is: the gold label of these is `unknown`."""
    choose = random.Random(f"{SEED} clinc150")
    rows = distinct(read(data / "train.csv") + read(data / "dev.csv"), "text")
    known = [row for row in rows if row["intent"] != OUT_OF_SCOPE]
    others = [row for row in rows if row["intent"] == OUT_OF_SCOPE]
    sample, rest = stratified(known, "intent", size - len(others), choose)
    examples = few(rest, "intent", 12, choose)
    sample += others
    choose.shuffle(sample)
    names = {row["intent"]: name if (name := slug(row["intent"]))[0].isalpha() else f"x_{name}" for row in known}
    names[OUT_OF_SCOPE] = "unknown"
    records, gold = [], []
    for number, row in enumerate(sample, start=1):
        records.append({"id": f"U-{number:06d}", "text": row["text"]})
        gold.append({"id": f"U-{number:06d}", "fields": {"intent": names[row["intent"]]}})
    write(folder, records, gold, [{"text": row["text"], "intent": names[row["intent"]]} for row in examples])
    described = {name: name.replace("_", " ") for name in sorted(set(names.values()) - {"unknown"})}
    labels = "\n".join(f'      "{name}": "{words}"' for name, words in described.items())
    (folder / "task.yaml").write_text(_CLINC % (labels, PROMISE), encoding="utf-8")


SETS = {
    "banking77": DataSet("banking77", banking_support, "banking_support"),
    "clinc150": DataSet("clinc150", clinc150, None, promises=(PROMISED, Promise(error=0.05, unknown=0.05))),
    "bitext_support": DataSet("bitext_support", support_tickets, "support_tickets"),
    "birmingham_pcard": DataSet(
        "birmingham_pcard", card_transactions, "card_transactions", promises=(PROMISED, Promise(error=0.2))
    ),
}
