"""A task file to break in tests, and how to read its refusal."""

from pathlib import Path

import pytest

from workers.taskfiles import TaskRefused, load_task

TASK = """\
name: shop
source:
  topic: shop.in
  text: body
instructions: Read the ticket.
fields:
  intent:
    kind: label
    labels:
      buy: wants to buy
      sell: wants to sell
  amount:
    kind: extract
    type: money
    pattern: "[0-9]+"
checks:
  - check: range
    field: amount
    least: 0
    most: 10
thresholds:
  default: 0.7
routes:
  labelled: shop.out
  escalated: shop.escalated
  dead: shop.dead
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "task.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(folder: Path, text: str | bytes, **options: bool) -> tuple[int, str]:
    """Load a task that must be refused; return the line and the sentence."""
    path = write(folder, text)
    with pytest.raises(TaskRefused) as refused:
        load_task(str(path), **options)
    message = str(refused.value)
    assert message.startswith(f"{path}:"), message
    assert "\n" not in message
    line, _, sentence = message.removeprefix(f"{path}:").partition(": ")
    return int(line), sentence
