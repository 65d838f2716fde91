"""`nanotriage model`: a local model behind the OpenAI interface, without a key and without a download of gigabytes."""

import json
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from topics.embedded.process import Process
from workers.commands.table import print_json
from workers.exits import Exit, UserError, say
from workers.modelserver.llama import find_llama_weights
from workers.modelserver.local_model import STOP_SECONDS, LocalModel, answers
from workers.modelserver.options import DATA, HOST, Kind, ModelOptions
from workers.taskfiles import load_task

_NOTICE_SECONDS = 0.5  # until a server that ended by itself is noticed in the foreground

DataOption = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder for its files.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="A local model behind the OpenAI interface: a classifier with real labels, and no language model.",
)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that was started detached."""

    base_url: str
    model: str
    kind: str
    host: str
    port: int
    process: Process
    log: str


@app.command()
def up(  # one argument an option
    task: Annotated[list[str] | None, typer.Option("--task", help="Task whose examples it learns; repeatable.")] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = HOST,
    labeller: Annotated[Kind | None, typer.Option("--labeller", help="classifier, or random as a control.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random labeller.")] = 0,
    api_key_file: Annotated[Path | None, typer.Option("--api-key-file", help="File with the key to ask for.")] = None,
    data: DataOption = DATA,
    *,
    llm: Annotated[bool, typer.Option("--llm", help="A real llama.cpp server, to test the wire; labels poorly.")] = False,
    foreground: Annotated[bool, typer.Option("--foreground/--detach", help="Stay, and stop it on Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start it and return when it answers; it stays until `model down`. The first start downloads 25 MB."""
    if llm and labeller is not None:
        raise UserError("--llm is a labeller of its own: leave out --labeller or --llm")
    if llm and task:
        raise UserError("a language model learns no task: leave out --task or --llm")
    kind = Kind.LLM if llm else labeller or Kind.CLASSIFIER
    for reference in task or ():
        load_task(reference, import_user_code=False)
    if kind is Kind.LLM:
        find_llama_weights()
    if (running := _running(data)) is not None:
        raise UserError(f"a local model already serves at {running.base_url}: stop it with `{_command('down', data)}`")
    model = LocalModel(ModelOptions(kind, tuple(task or ()), data, host, port, seed, api_key_file))
    if foreground:
        _stay(model, kind, data, as_json=as_json)
        return
    model.start(detached=True)
    started = _described(model, kind, host)
    _write(data, started)
    _show(started, data, as_json=as_json)


@app.command()
def down(data: DataOption = DATA, *, as_json: JsonOption = False) -> None:
    """Stop it."""
    running = _running(data)
    if running is not None:
        running.process.send(signal.SIGTERM)
        if not running.process.gone(STOP_SECONDS):
            running.process.send(signal.SIGKILL)
            if not running.process.gone(STOP_SECONDS):
                raise UserError(f"process {running.process.pid} does not end: see {running.log}", Exit.FAILED)
    _state(data).unlink(missing_ok=True)
    if as_json:
        print_json({"ran": running is not None})
    else:
        print(f"The local model {'is stopped' if running is not None else 'did not run'}.")


@app.command()
def status(data: DataOption = DATA, *, as_json: JsonOption = False) -> None:
    """Say whether it serves and where. Exits with 1 when it does not."""
    running = _running(data)
    ready = running is not None and answers(running.host, running.port, Kind(running.kind))
    if running is not None and ready:
        _show(running, data, as_json=as_json)
        return
    if as_json:
        print_json({"ready": False})
    else:
        what = "does not run" if running is None else f"does not answer at {running.base_url}"
        say(f"the local model {what}: start it with `{_command('up', data)}`", as_json=False)
    raise typer.Exit(Exit.FAILED)


def _stay(model: LocalModel, kind: Kind, data: Path, *, as_json: bool) -> None:
    asked = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    with model:
        _show(_described(model, kind, model.host), data, as_json=as_json)
        while not asked.wait(_NOTICE_SECONDS):
            if model.process is None:
                raise UserError(f"the local model ended by itself: see {model.log}", Exit.FAILED)


def _described(model: LocalModel, kind: Kind, host: str) -> Running:
    process = model.process
    if process is None:
        raise UserError(f"the local model ended by itself: see {model.log}", Exit.FAILED)
    return Running(model.base_url, model.model, kind.value, host, model.port, process, str(model.log))


def _show(running: Running, data: Path, *, as_json: bool) -> None:
    if as_json:
        print_json({"ready": True, **_facts(running)})
    else:
        print(f"{running.model} serves at {running.base_url}; its log is {running.log}.")
        print(f"Use it with       nanotriage run --task TASK --model-url {running.base_url} --model {running.model}")
        print(f"Stop it with      {_command('down', data)}")
    sys.stdout.flush()  # whoever reads a pipe waits for this, and in the foreground we stay


def _facts(running: Running) -> dict[str, Any]:
    facts = asdict(running)
    return {**facts, "process": running.process.pid}


def _state(data: Path) -> Path:
    return data / "models" / "server.json"


def _write(data: Path, running: Running) -> None:
    draft = _state(data).with_suffix(".draft")
    draft.write_text(json.dumps(asdict(running)), encoding="utf-8")
    draft.replace(_state(data))


def _running(data: Path) -> Running | None:
    """Return the detached server of this folder if its process lives. Raises UserError for a damaged file."""
    file = _state(data)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        running = Running(**{**content, "process": Process(**content["process"])})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is damaged: delete it and start again") from error
    return running if running.process.alive() else None


def _command(verb: str, data: Path) -> str:
    return f"nanotriage model {verb}" + ("" if data == DATA else f" --data {data}")
