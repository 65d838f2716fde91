"""`nanotriage forget KEY`: erase a conversation from every topic of ours."""

import asyncio
import time
from dataclasses import asdict
from typing import Annotated
from uuid import uuid4

import typer

from workers.commands.settings import BrokersOption, ConfigOption, JsonOption, SetOption, flags_of
from workers.commands.table import print_json, print_table
from workers.contexts import rule_of
from workers.exits import Exit, UserError
from workers.forgetting import Request
from workers.forgetting import forget as forget_key
from workers.settings import load_settings
from workers.taskfiles import load_task
from workers.wiring.kafka import connection_of


def forget(
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="The conversation: the key of its messages, unless the task says otherwise.")
    ],
    task: Annotated[str, typer.Option("--task", help="A shipped task's name, or the path of a task file, with a `context`.")],
    tenant: Annotated[str | None, typer.Option(help="Whose conversation it is, for a task with tenants.")] = None,
    wait_seconds: Annotated[float, typer.Option("--wait", help="Seconds to wait for the keeper of conversations.")] = 30.0,
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Erase a conversation: tombstones through every topic of the task that holds its key. Exits with 1 where the key stays."""
    settings = load_settings(flags_of(assignments or (), {"kafka.brokers": brokers}), config)
    wanted = load_task(task, import_user_code=False).task
    rule = rule_of(wanted)
    if (wanted.source.tenant is None) != (tenant is None):
        why = (
            "has no tenants: leave out --tenant"
            if tenant
            else "keeps tenants apart: say whose conversation it is with --tenant"
        )
        raise UserError(f"task {wanted.name} {why}")
    request = Request(key.encode(), tenant, uuid4().hex, time.time_ns() // 1_000_000)
    rows = asyncio.run(forget_key(connection_of(settings.kafka), wanted, rule, request, wait_seconds))
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        print_table(("TOPIC", "OUTCOME", "DETAIL"), [(row.topic, row.outcome, row.detail) for row in rows])
    if any(row.outcome != "erased" for row in rows):
        raise typer.Exit(Exit.FAILED)
