"""Logs: lines a program can read, and nothing in them that must not leave the worker."""

import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, ValidationError

from workers.logs import FLOORS, bind, configure

BODY = "my card 4929 was stolen"


@pytest.fixture(autouse=True)
def restored():
    """Logging is global: put it back."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, {name: logging.getLogger(name).level for name in FLOORS}
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


def lines(level: str, *writes) -> list[dict]:
    stream = io.StringIO()
    configure("json", level, stream)
    for write in writes:
        write()
    return [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]


def test_a_line_is_an_event_with_its_fields() -> None:
    """Time, level, logger, event, then what was bound and what was said."""
    log = bind("nanotriage.lane", lane="in/3")
    (line,) = lines("INFO", lambda: log.info("lane_committed", records=16, offset=None))
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "nanotriage.lane",
        "event": "lane_committed",
        "lane": "in/3",
        "records": 16,
        "offset": None,
    }


@given(
    st.dictionaries(
        st.text(min_size=1), st.one_of(st.text(), st.integers(), st.floats(), st.binary(), st.none(), st.lists(st.text()))
    )
)
def test_every_line_is_json_whatever_the_fields(fields) -> None:
    """Also with surrogates, huge numbers, newlines and field names of ours."""
    log = bind("nanotriage.test").bind(**fields)
    (line,) = lines("INFO", lambda: log.info("happened"))
    assert line["event"] == "happened"


@pytest.mark.parametrize("form", ["json", "console"])
def test_message_texts_keys_and_secrets_are_hidden_whoever_passes_them(form) -> None:
    """By the field's name, by bytes, or by being a secret."""
    stream = io.StringIO()
    configure(form, "DEBUG", stream)
    log = bind("nanotriage.test")
    log.info("a", text=BODY, key=BODY, value=BODY, Body=BODY)
    log.info("b", payload=BODY.encode(), token=SecretStr(BODY))
    assert BODY not in stream.getvalue()
    assert "[23 bytes]" in stream.getvalue()


def test_an_error_tells_its_type_and_place_and_not_pydantic_s_copy_of_the_input() -> None:
    """A validation error quotes what it refused: that is the message."""

    class Reply(BaseModel):
        labels: list[int]

    def fail() -> None:
        try:
            Reply.model_validate({"labels": BODY})
        except ValidationError as error:
            bind("nanotriage.test").error("crashed", error)

    (line,) = lines("INFO", fail)
    assert line["error"]["type"] == "ValidationError"
    assert line["error"]["message"] == "labels: list_type"
    assert "test_logs.py" in line["error"]["at"][0]
    assert BODY not in json.dumps(line)


def test_a_field_cannot_forge_a_second_line_on_the_console() -> None:
    """A topic name or an error text may hold a newline."""
    stream = io.StringIO()
    configure("console", "INFO", stream)
    bind("nanotriage.test").info("refused", why="one\n12:00:00 ERROR forged")
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize("name", [*FLOORS, "aiokafka.conn", "openai._base_client"])
def test_libraries_never_log_below_their_floor(name) -> None:
    """At DEBUG they print bodies and credentials; not even a level they set themselves lets that through."""

    def speak() -> None:
        logger = logging.getLogger(name)
        logger.setLevel(logging.DEBUG)
        logger.debug(BODY)

    assert lines("DEBUG", speak) == []
    logging.getLogger(name).setLevel(logging.NOTSET)


def test_auto_is_json_unless_a_person_looks() -> None:
    """A stream that is no terminal gets JSON lines."""
    stream = io.StringIO()
    configure("auto", "INFO", stream)
    bind("nanotriage.test").warning("w")
    assert json.loads(stream.getvalue())["level"] == "warning"


def test_the_level_holds() -> None:
    """Below it nothing is written."""
    log = bind("nanotriage.test")
    assert [line["event"] for line in lines("WARNING", lambda: log.info("i"), lambda: log.warning("w"))] == ["w"]


def test_a_library_that_repeats_itself_is_written_once_in_a_while() -> None:
    """The same words once in ten seconds; other words, and ours, always."""
    stream = io.StringIO()
    configure("json", "INFO", stream)

    def say(name: str, words: str, at: float) -> None:
        logging.getLogger(name).handle(logging.makeLogRecord({"name": name, "msg": words, "levelno": 30, "created": at}))

    for at in (100.0, 101.0, 109.0, 111.0):
        say("aiokafka", "Unable connect to node with id 1", at)
        say("nanotriage.pipeline", "again", at)
    say("aiokafka", "Unable connect to node with id 2", 111.0)
    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events.count("again") == 4
    assert events.count("Unable connect to node with id 1") == 2
    assert events.count("Unable connect to node with id 2") == 1
