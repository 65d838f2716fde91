"""`nanotriage forget NAME`: erase a conversation, or a customer's conversations, from every topic of ours."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated
from uuid import uuid4

import typer

from schemas.context import ContextRule
from schemas.task import Task
from workers.commands.progress import progress
from workers.commands.settings import BrokersOption, ConfigOption, JsonOption, SetOption, settings_of
from workers.commands.table import print_json, print_table
from workers.contexts import rule_of
from workers.deadletters.survey import fill
from workers.exits import Exit, UserError
from workers.forgetting.erasure import Row, Sees
from workers.forgetting.erasure import forget as erase
from workers.forgetting.request import Request
from workers.setting_sections import KafkaSettings
from workers.taskfiles import load_task
from workers.wiring.kafka import connection_of, kafka_log


def forget(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The conversation: the key of its messages, unless the task says otherwise.")
    ],
    task: Annotated[str, typer.Option("--task", help="A shipped task's name, or the path of a task file, with a `context`.")],
    tenant: Annotated[str | None, typer.Option(help="Whose conversation it is, for a task with tenants.")] = None,
    wait_seconds: Annotated[float, typer.Option("--wait", help="Seconds to wait for the keeper of conversations.")] = 30.0,
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    customer: Annotated[bool, typer.Option("--customer", help="NAME is a customer: forget all conversations with it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase a conversation or a customer: tombstones through every topic of the task. Exits with 1 where something stays."""
    settings = settings_of(brokers, config, assignments)
    wanted = load_task(task, import_user_code=False).task
    rule = rule_of(wanted)
    if (wanted.source.tenant is None) != (tenant is None):
        why = (
            "has no tenants: leave out --tenant"
            if tenant
            else "keeps tenants apart: say whose conversation it is with --tenant"
        )
        raise UserError(f"task {wanted.name} {why}")
    if customer and rule.customer is None:
        raise UserError(f"task {wanted.name} maps no customer: add `customer: FIELD` to its context")
    request = Request(name.encode(), tenant, customer, uuid4().hex, time.time_ns() // 1_000_000)
    rows = asyncio.run(_forget(settings.kafka, wanted, rule, request, wait_seconds))
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        print_table(("TOPIC", "OUTCOME", "DETAIL"), [(row.topic, row.outcome, row.detail) for row in rows])
    if any(row.outcome != "erased" for row in rows):
        raise typer.Exit(Exit.FAILED)


async def _forget(kafka: KafkaSettings, task: Task, rule: ContextRule, request: Request, wait_seconds: float) -> list[Row]:
    log = kafka_log(kafka)

    async def scan(topics: Sequence[str], into: Sees) -> None:
        with progress("reading") as bar:
            async with log.reader() as reader:
                await fill(
                    log, reader, topics, into, lambda read, total: bar.update(bar.task_ids[0], completed=read, total=total)
                )

    try:
        return await erase(connection_of(kafka), task, rule, request, scan, wait_seconds)
    finally:
        await log.close()
