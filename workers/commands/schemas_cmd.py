"""`nanotriage schemas`: the JSON Schemas of what is published, for those who read the topics."""

import json
from pathlib import Path
from typing import Annotated

import typer

from schemas.events import PUBLISHED, json_schema
from workers.exits import UserError

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_names() -> None:
    """List the published events."""
    for name in PUBLISHED:
        print(name)


@app.command("print")
def print_one(name: Annotated[str, typer.Argument(help="An event of `nanotriage schemas list`.")]) -> None:
    """Print one JSON Schema."""
    if name not in PUBLISHED:
        raise UserError(f"there is no schema {name}: choose one of {', '.join(PUBLISHED)}")
    print(text_of(name), end="")


@app.command("write")
def write_all(folder: Annotated[Path, typer.Argument(help="Where to; made if it is missing.")]) -> None:
    """Write every JSON Schema to FOLDER/NAME.json."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in PUBLISHED:
            (folder / f"{name}.json").write_text(text_of(name), encoding="utf-8")
            print(folder / f"{name}.json")
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}): name another folder") from None


def text_of(name: str) -> str:
    """Return a schema as the text of its file."""
    return json.dumps(json_schema(name), indent=2, ensure_ascii=False) + "\n"
