"""Held-out intents of clinc150 are found among escalations by the local model, each as a cluster of its own."""

import csv
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.public_data import require_public_data
from workers.discovering.clusters import clusters
from workers.discovering.vectors import by_model, local_embedder

HELD_OUT, SIZE, OTHERS = 10, 30, 100


@pytest.mark.local_model
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
def test_intents_that_the_task_does_not_have_are_found(seed: int, model_data: Path) -> None:
    """Of ten planted ones eight at least, at least half of each in a cluster that is nearly pure; the rest is single messages."""
    with (require_public_data() / "clinc150" / "train.csv").open(encoding="utf-8", newline="") as lines:
        rows = [(row["text"], row["intent"]) for row in csv.DictReader(lines)]
    rng = random.Random(seed)
    held = rng.sample(sorted({intent for _, intent in rows} - {"oos"}), HELD_OUT)
    sample = [row for intent in held for row in rng.sample([row for row in rows if row[1] == intent], SIZE)]
    sample += [(text, "") for text, _ in rng.sample([row for row in rows if row[1] == "oos"], OTHERS)]
    sample += [(text, "") for text, _ in rng.sample([row for row in rows if row[1] not in (*held, "oos")], OTHERS)]
    rng.shuffle(sample)
    vectors = by_model(local_embedder(model_data / "models"), [text for text, _ in sample], lambda _done: None)
    found = set()
    made = clusters(vectors)
    for one in made:
        intent, count = Counter(sample[place][1] for place in one.members).most_common(1)[0]
        if intent and count >= SIZE / 2 and count >= 0.7 * len(one.members):
            found.add(intent)
    assert len(found) >= 8
    assert len(made) <= 16
