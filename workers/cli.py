"""The command line `nanotriage`. Commands are imported when they are called, so `--help` costs a fifth of a second."""

import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from workers.exits import Exit, UserError, ended, say
from workers.installation import installed_version, refusal_of_interpreter


class Lazy(NamedTuple):
    """Where a command is (`module:object`), and its line in `--help`."""

    place: str
    help: str


COMMANDS: dict[str, Lazy] = {
    "demo": Lazy("workers.commands.demo:demo", "Triage real messages here and now, with a broker and a model."),
    "run": Lazy("workers.commands.run:run", "Run the worker until it is told to stop."),
    "label": Lazy("workers.commands.label:label", "Label a file of messages, without Kafka."),
    "eval": Lazy("workers.commands.evaluate:evaluate", "Measure a task against labelled messages."),
    "bench": Lazy("workers.commands.bench:bench", "Measure what a model's endpoint can do, and what to set."),
    "discover": Lazy("workers.commands.discover:discover", "List what escalated messages have in common, as new labels."),
    "calibrate": Lazy("workers.commands.calibrate:calibrate_task", "Find from labelled data what a task may promise."),
    "audit": Lazy("workers.commands.audit:app", "See what is put up for audit, say what was found, end alarms."),
    "topics": Lazy("workers.commands.topics:app", "Plan and make the topics that tasks need."),
    "dlq": Lazy("workers.commands.dlq:app", "Look at dead letters, and send them back to their source."),
    "doctor": Lazy("workers.commands.doctor:doctor", "Check everything a worker needs, and say what to do next."),
    "settings": Lazy("workers.commands.settings:settings", "Show every setting, its value and where it comes from."),
    "schemas": Lazy("workers.commands.schemas_cmd:app", "Print the JSON Schemas of what is published."),
    "lanes": Lazy("workers.commands.lanes:app", "Show what is committed, and resume a quarantined partition."),
    "control": Lazy("workers.commands.control:app", "Pause, resume and change running workers; see what they run."),
    "forget": Lazy("workers.commands.forget:forget", "Erase a conversation from every topic of a task."),
    "probe": Lazy("workers.commands.probe:probe", "Send messages with known answers all the way, and judge them."),
    "stateful": Lazy("workers.commands.stateful:app", "Applications beside the model path: conversations, rollups."),
    "kafka": Lazy("workers.commands.kafka:app", "A real one-node Kafka on this machine."),
    "model": Lazy("workers.commands.model:app", "A local model behind the OpenAI interface."),
}


class LazyGroup(TyperGroup):
    """A group whose commands are placeholders until one of them is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, lazy in COMMANDS.items():
            self.add_command(TyperCommand(name, help=lazy.help, rich_markup_mode=None))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the real command for the first argument. Raises UserError when it cannot be imported."""
        name, placeholder, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name is not None else placeholder, rest


def load_command(name: str) -> Any:
    """Import one command. Raises UserError when a package it needs is not installed."""
    module, _, attribute = COMMANDS[name].place.partition(":")
    try:
        loaded = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise UserError(_missing(name, error.name or "")) from error
    plain = typer.Typer(rich_markup_mode=None, add_completion=False)
    if isinstance(loaded, typer.Typer):
        plain.add_typer(loaded, name=name, help=COMMANDS[name].help)
        return cast("TyperGroup", get_command(plain)).commands[name]
    plain.command(name)(loaded)
    return get_command(plain)


def _missing(name: str, module: str) -> str:
    if module.split(".", maxsplit=1)[0] in {"workers", "topics", "schemas"}:
        return f"`nanotriage {name}` is not part of this installation ({module} is missing): install nanotriage again"
    extra = {"stateful": "stateful", "discover": "discover"}.get(name, "local")
    return f'`nanotriage {name}` needs the Python package {module}: pip install "nanotriage[{extra}]"'


app = typer.Typer(
    name="nanotriage",
    cls=LazyGroup,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Triage Kafka messages in micro-batches with a small language model, exactly once.",
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 (Typer calls it with the option's value)
    if wanted:
        print(f"nanotriage {installed_version()}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Triage Kafka messages in micro-batches with a small language model, exactly once."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (`workers.exits.Exit`)."""
    args = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in args
    logging.getLogger().addHandler(logging.NullHandler())  # a library's complaint is not our answer; `run` configures logs
    refusal = refusal_of_interpreter()
    if refusal is not None:
        say(refusal, as_json=as_json)
        return Exit.USAGE
    return ended(lambda: _run(args or ["--help"]), as_json=as_json)


def _run(args: list[str]) -> int:
    code = app(args, prog_name="nanotriage", standalone_mode=False)
    return code if isinstance(code, int) else Exit.OK
