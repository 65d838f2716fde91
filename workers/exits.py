"""How a command ends: its exit code, and the one sentence a user reads.

A mistake of the user never shows a traceback. A mistake of ours shows one sentence and the file that holds the traceback.
"""

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

import orjson


class Exit(IntEnum):
    """What the exit code of every command means."""

    OK = 0
    FAILED = 1  # the work was done and its checks are not met, or we crashed
    USAGE = 2  # the command line, a setting or a task file is refused
    BROKER = 3  # the broker is unavailable or refuses us
    MODEL = 4  # the model's endpoint refuses us
    INTERRUPTED = 130


class UserError(Exception):
    """Something the user can put right. The message is one sentence: what is wrong and what to do next."""

    def __init__(self, message: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.code = code


# Named, not imported: `nanotriage --help` must not pay for the rooms that raise them, and what was never imported cannot
# have been raised.
EXPECTED: dict[tuple[str, str], Exit] = {
    ("topics.embedded.errors", "EmbeddedKafkaError"): Exit.BROKER,
    ("topics.errors", "LogError"): Exit.BROKER,
    ("topics.jars", "JarsUnavailable"): Exit.FAILED,
    ("typer.exceptions", "Abort"): Exit.INTERRUPTED,
    ("typer.exceptions", "TyperException"): Exit.USAGE,
    ("workers.task_yaml", "TaskRefused"): Exit.USAGE,
}


def ended(run: Callable[[], int], *, as_json: bool) -> int:
    """Run a command and return its exit code; an error becomes one sentence on stderr.

    `NANOTRIAGE_TRACEBACK=1` shows the traceback of an unexpected error instead of writing it to a file.
    """
    try:
        return run()
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as error:
        known = next(((leaf, code) for leaf in _leaves(error) if (code := expected_code(leaf)) is not None), None)
        if known is not None and type(known[0]).__qualname__ == "NoArgsIsHelpError":
            print(known[0], file=sys.stderr)  # the message is the command's help
            return Exit.USAGE
        if known is not None:
            say(_sentence(known[0]), as_json=as_json)
            return known[1]
        if os.environ.get("NANOTRIAGE_TRACEBACK") == "1":
            raise
        say(_crash_sentence(error), as_json=as_json)
        return Exit.FAILED


def expected_code(error: BaseException) -> Exit | None:
    """Return the exit code of an error that is somebody's mistake, or None for one that is ours."""
    if isinstance(error, UserError):
        return error.code
    names = ((cls.__module__, cls.__qualname__) for cls in type(error).__mro__)
    return next((EXPECTED[name] for name in names if name in EXPECTED), None)


def say(sentence: str, *, as_json: bool) -> None:
    """Print `error: sentence`, or `{"error": sentence}`, on stderr."""
    if as_json:
        print(orjson.dumps({"error": sentence}).decode(), file=sys.stderr)
    else:
        print(f"error: {sentence}", file=sys.stderr)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _sentence(error: BaseException) -> str:
    """Return what the error says; the command line's own errors, whose str() may be empty, also say where to look."""
    told = getattr(error, "format_message", None)
    message = told() if callable(told) else str(error) or type(error).__name__
    command = getattr(getattr(error, "ctx", None), "command_path", None)
    plain = str(message).replace("Value error, ", "").strip()
    return f"{plain.rstrip('.')}: see `{command} --help`" if command else plain


def _crash_sentence(error: Exception) -> str:
    text = "".join(traceback.format_exception(error))
    path = Path(".nanotriage") / f"crash-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    try:
        path.parent.mkdir(exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    except OSError:
        print(text, file=sys.stderr)
        return f"unexpected {type(error).__name__}; its traceback is printed above, because {path} cannot be written"
    return f"unexpected {type(error).__name__}; the traceback is in {path}, please report it"
