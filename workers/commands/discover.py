"""`nanotriage discover`: what escalated messages have in common, as candidates for new labels."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.verdict import Doubt
from topics.log import Log
from workers.commands.progress import progress
from workers.commands.settings import BrokersOption, ConfigOption, JsonOption, SetOption, settings_of
from workers.commands.table import print_table
from workers.deadletters.display import printable, safe_json
from workers.deadletters.survey import fill
from workers.discovering.candidates import HEADS, Candidate, candidate, rows
from workers.discovering.clusters import LEAST, clusters
from workers.discovering.escalations import DOUBTS, Gathered
from workers.discovering.vectors import Kind, Vectors, by_model, by_words, choose, local_embedder
from workers.exits import UserError
from workers.modelserver.options import DATA, ModelOptions
from workers.taskfiles import load_task
from workers.wiring.kafka import kafka_log

MOST = 5_000


def discover(
    task: Annotated[str, typer.Option(metavar="TASK", help="A shipped task's name, or the path of a task file.")],
    input_: Annotated[
        Path | None,
        typer.Option("--input", help="JSON Lines of escalated events or of records [default: the task's escalation topic]"),
    ] = None,
    reason: Annotated[
        list[Doubt] | None, typer.Option(help="Only messages escalated for it. Repeat it [default: unknown and low_confidence]")
    ] = None,
    least: Annotated[int, typer.Option(min=3, help="Messages that a cluster has at least.")] = LEAST,
    most: Annotated[int, typer.Option("--max", min=1, help="Look at so many messages at most, the last ones.")] = MOST,
    examples: Annotated[int, typer.Option(min=1, help="Central messages to show of each cluster.")] = 3,
    vectors: Annotated[Kind, typer.Option(help="Messages are alike by meaning, to the local model, or by words.")] = Kind.AUTO,
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List clusters of escalated messages: size, telling words, what the model said of them, central examples.

    Reads the task's escalation topic as it ends now, or a file. Joins no consumer group and commits nothing. Prints message
    texts. With few messages or many kinds of them there may be no cluster; that is an answer, too.
    """
    loaded = load_task(task, import_user_code=False)
    kind = choose(vectors)
    gathered = Gathered(loaded.task, most, frozenset(reason) if reason else DOUBTS)
    if input_ is not None:
        _read(input_, gathered)
    else:
        settings = settings_of(brokers, config, assignments)
        asyncio.run(listen(kafka_log(settings.kafka), gathered))
    found = _candidates(gathered, kind, least, examples)
    if as_json:
        print(safe_json(_json(gathered, kind, found)))
    else:
        _show(gathered, kind, found)


def _candidates(gathered: Gathered, kind: Kind, least: int, examples: int) -> list[Candidate]:
    escalations = gathered.escalations
    found = clusters(_vectors([one.text for one in escalations], kind), least) if escalations else []
    made = []
    for one in found:
        inside = set(one.members)
        others = [each for place, each in enumerate(escalations) if place not in inside]
        made.append(candidate([escalations[place] for place in one.members], others, examples))
    return made


def _vectors(texts: list[str], kind: Kind) -> Vectors:
    if kind is Kind.WORDS:
        return by_words(texts)
    embedder = local_embedder(ModelOptions(data=DATA).models_folder)
    with progress("embedding", len(texts)) as bar:
        return by_model(embedder, texts, lambda done: bar.update(bar.task_ids[0], completed=done))


def _read(path: Path, gathered: Gathered) -> None:
    try:
        with path.open("rb") as lines:
            for line in lines:
                if line.strip():
                    gathered.take(line.strip())
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): correct --input") from None


async def listen(log: Log, gathered: Gathered) -> None:
    """Gather from the task's escalation topic as it ends now, and close the log. Raises topics.errors.LogError."""
    try:
        async with log.reader() as reader:
            with progress("reading", None) as bar:
                topics = [gathered.task.routes.escalated]
                await fill(
                    log, reader, topics, gathered, lambda done, total: bar.update(bar.task_ids[0], completed=done, total=total)
                )
    finally:
        await log.close()


def _json(gathered: Gathered, kind: Kind, found: list[Candidate]) -> dict[str, Any]:
    return {
        "task": gathered.task.name,
        "messages": len(gathered.escalations),
        "escalations_by_reason": {doubt.value: count for doubt, count in gathered.reasons.most_common()},
        "of_something_else": gathered.aliens,
        "vectors": kind.value,
        "clusters": [one.as_json() for one in found],
        "in_no_cluster": len(gathered.escalations) - sum(one.size for one in found),
    }


def _show(gathered: Gathered, kind: Kind, found: list[Candidate]) -> None:
    if found:
        print_table(HEADS, [[printable(cell) for cell in row] for row in rows(found)])
        print()
    count, rest = len(gathered.escalations), len(gathered.escalations) - sum(one.size for one in found)
    by = "their meaning to the local model" if kind is Kind.MODEL else "their words, which finds less than the local model"
    print(f"{count} escalated messages, each text once; {len(found)} clusters by {by}; {rest} messages are in none.")
    if gathered.aliens:
        print(f"{gathered.aliens} records are no escalations of {gathered.task.name}.")
    if not found:
        print("Fewer messages make a cluster with a smaller --least; --max and --reason let more messages in.")
