"""Processes that keep conversations, and what can be seen of their work in the topics."""

import subprocess
import sys
from pathlib import Path

from tests.broker.stage import Stage, admin_of
from tests.broker.workers_under_test import ROOT, environment
from tests.kafka_fixtures import make_topic
from topics.record import Record
from workers.remembering.naming import bounds_of
from workers.remembering.window import Conversation, with_turn
from workers.remembering.wire import MARKER, to_bytes
from workers.stateful.keeper import keeper_of
from workers.taskfiles import load_task

CONTEXT = """\
context:
  topic: {topic}
  turns: 4
  tokens: 60
"""


async def set_context(stage: Stage, customer: str | None = None, **settings: str) -> None:
    """Give the stage's task a context, and make its topics. `customer` is the field of a record that names it."""
    topic = f"{stage.name}.context"
    task = stage.task_file.read_text(encoding="utf-8") + CONTEXT.format(topic=topic)
    if customer is not None:
        task = task.replace("  id: id\n", f"  id: id\n  metadata: {{{customer}: {customer}}}\n") + f"  customer: {customer}\n"
    stage.task_file.write_text(task, encoding="utf-8")
    async with admin_of(stage.bootstrap) as admin:
        await make_topic(admin, topic, stage.partitions, 1, {"cleanup.policy": "compact,delete"} | settings)
        await make_topic(admin, f"{topic}.forget", stage.partitions, 1, {})


class StatefulProcess:
    """One process of `nanotriage stateful`. Nothing outlives `kill`."""

    def __init__(self, stage: Stage, name: str, *arguments: str, **settings: object) -> None:
        self.log: Path = stage.folder / f"{name}.log"
        ours = {"kafka__session_timeout_seconds": 6, "kafka__app": stage.name, "logs__format": "json"}
        env = environment(kafka__brokers=stage.bootstrap, **(ours | settings))
        folder = str(stage.folder / f"{name}.tables")
        command = [sys.executable, "-m", "workers", "stateful", *arguments, "--folder", folder]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)

    def kill(self) -> None:
        """As a machine that loses its power."""
        self.process.kill()
        self.process.wait()


class KeeperProcess(StatefulProcess):
    """One keeper of conversations."""

    def __init__(self, stage: Stage, name: str, store: str) -> None:
        super().__init__(stage, name, "conversations", "--task", str(stage.task_file), "--store", store)


def kept(records: list[Record]) -> dict[bytes, bytes]:
    """Return the newest value of each key of the context topic, markers left out."""
    newest = {r.key: r.value for r in records if r.key is not None and not r.key.startswith(MARKER)}
    return {key: value for key, value in newest.items() if value is not None}


def recount(stage: Stage, source: list[Record]) -> dict[bytes, bytes]:
    """Return what the context topic must hold when the source holds these records: counted anew, from the first one on."""
    task = load_task(str(stage.task_file)).task
    keeper, found = keeper_of(task, task.context), {}
    for record in source:
        if (said := keeper.turn(record)) is not None:
            found[said.key] = with_turn(found.get(said.key, Conversation()), said.turn, bounds_of(task.context))
    return {key: to_bytes(conversation) for key, conversation in found.items()}
