"""Structured logs on stderr: an event name and fields, as JSON lines or for a person at a terminal.

Message texts, keys and secrets are never written: fields with such names are hidden here, whoever passes them, and values are
cut. An error is written with its type, its place and its message, never with pydantic's copy of the input.
"""

import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import IO, Any, Literal

import orjson
from pydantic import SecretStr, ValidationError

HIDDEN = frozenset(
    {"api_key", "authorization", "body", "headers", "key", "password", "prompt", "reply", "secret", "text", "value"}
)
LONGEST = 500
# Below these levels the libraries print bodies and credentials (aiokafka's SASL frames, openai's requests) or a line per call.
FLOORS: Mapping[str, int] = MappingProxyType(
    {
        "aiohttp.access": logging.WARNING,
        "aiokafka": logging.INFO,
        "asyncio": logging.INFO,
        "faust": logging.WARNING,
        "httpcore": logging.WARNING,
        "httpx": logging.WARNING,
        "httpx2": logging.WARNING,
        "kafka": logging.INFO,
        "mode": logging.WARNING,
        "openai": logging.INFO,
    }
)
FIELDS = "nanotriage_fields"
OURS = "nanotriage"
REPEAT_SECONDS = 10.0
_MOST_REMEMBERED = 1_000


class Log:
    """A logger that takes an event name and fields: `log.info("lane_committed", partition=3, records=16)`."""

    __slots__ = ("_fields", "_logger")

    def __init__(self, logger: logging.Logger, fields: Mapping[str, Any]) -> None:
        self._logger, self._fields = logger, fields

    def bind(self, /, **fields: Any) -> "Log":
        """Return a log that adds these fields to every line."""
        return Log(self._logger, {**self._fields, **fields})

    def debug(self, event: str, /, **fields: Any) -> None:
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, error: BaseException | None = None, /, **fields: Any) -> None:
        self._write(logging.ERROR, event, fields, error)

    def _write(self, level: int, event: str, fields: Mapping[str, Any], error: BaseException | None = None) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", event, exc_info=error, extra={FIELDS: {**self._fields, **fields}})


def bind(logger: logging.Logger | str, /, **fields: Any) -> Log:
    """Return a `Log` over a stdlib logger."""
    return Log(logging.getLogger(logger) if isinstance(logger, str) else logger, fields)


def configure(form: Literal["auto", "json", "console"], level: str, stream: IO[str] | None = None) -> None:
    """Send every logger to `stream` (stderr) and hold the libraries above the level where they print bodies."""
    out = stream or sys.stderr
    as_json = form == "json" or (form == "auto" and not out.isatty())
    handler = logging.StreamHandler(out)
    handler.setFormatter(_Json() if as_json else _Console())
    handler.addFilter(_above_floor)
    handler.addFilter(_Repeats())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, floor in FLOORS.items():
        logging.getLogger(name).setLevel(max(floor, logging.getLevelNamesMapping()[level]))


def _above_floor(record: logging.LogRecord) -> bool:
    """Hold the floor also when a library sets its own level later, as openai does when it sees OPENAI_LOG."""
    floor = next((FLOORS[name] for name in FLOORS if record.name == name or record.name.startswith(f"{name}.")), 0)
    return record.levelno >= floor


class _Repeats(logging.Filter):
    """Lets a library say the same thing once in REPEAT_SECONDS.

    Without a broker, aiokafka repeats itself a hundred times a second for each lane.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] == OURS:
            return True
        said = (record.name, _cut(record.getMessage()))
        if record.created - self._said.get(said, float("-inf")) < REPEAT_SECONDS:
            return False
        if len(self._said) >= _MOST_REMEMBERED:
            self._said.clear()
        self._said[said] = record.created
        return True


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": moment, "level": record.levelname.lower(), "logger": record.name, "event": _cut(record.getMessage())}
        fields = {f"{name}_" if name in line else name: value for name, value in _shown_fields(record).items()}
        return orjson.dumps({**line, **fields, **_error_of(record)}).decode()


class _Console(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = " ".join(f"{name}={_plain(value)}" for name, value in _shown_fields(record).items())
        event = _cut(record.getMessage())
        error = _error_of(record).get("error")
        lines = [f"{moment} {record.levelname:<7} {event} {fields}".rstrip()]
        if error is not None:
            lines += [f"    {error['type']}: {error['message']}", *(f"    at {place}" for place in error["at"])]
        return "\n".join(lines)


def _shown_fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: Mapping[str, Any] = getattr(record, FIELDS, {})
    return {_cut(name): "[hidden]" if name.lower() in HIDDEN else _shown(value) for name, value in fields.items()}


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 1 << 63):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if isinstance(value, SecretStr):
        return "[hidden]"
    return _cut(str(value))


def _plain(value: Any) -> str:
    """Return one printable word or a quoted string: a field may not forge a second line."""
    text = str(value)
    return text if text.isprintable() and " " not in text else repr(text)


def _cut(text: str) -> str:
    """Return a short text that is valid Unicode."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}[{len(text) - LONGEST} more]"


def _error_of(record: logging.LogRecord) -> dict[str, dict[str, Any]]:
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return {}
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    shown: dict[str, Any] = {
        "type": type(error).__qualname__,
        "message": _cut(_message(error)),
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        shown["cause"] = f"{type(cause).__qualname__}: {_cut(_message(cause))}"
    return {"error": shown}


def _message(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        return "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['type']}" for problem in problems)
    return str(error)
