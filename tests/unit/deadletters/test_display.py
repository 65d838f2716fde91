"""What a terminal is shown of strangers' bytes."""

import json

import hypothesis.strategies as st
from hypothesis import given

from tests.unit.deadletters.world import dead_outgoing, record_of, source_record
from topics.record import Partition, Record
from workers.deadletters.display import hex_lines, printable, record_json, record_lines, safe_json, value_lines

HEADERS = st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.binary()), max_size=4).map(tuple)


@given(st.none() | st.binary(), st.none() | st.binary(max_size=200), HEADERS, st.integers(1, 300))
def test_nothing_shown_can_drive_a_terminal(key, value, headers, most):
    """Every line is printable, whatever the record holds; as JSON every character is printable ASCII or a line break."""
    record = Record(Partition("dead", 0), 3, key, value, headers, 2**60)
    assert all(line.isprintable() for line in record_lines(record, most))
    shown = safe_json(record_json(record, most))
    assert all(character == "\n" or " " <= character <= "~" for character in shown)
    assert json.loads(shown)["offset"] == 3


def test_escape_sequences_are_spelled_out():
    """ESC, the C1 introducer, a direction override and a line break in a text of one line."""
    assert printable("a\x1b[2Jb\x9b\u202e\n") == "a\\x1b[2Jb\\x9b\\u202e\\n"
    (line,) = value_lines(b"colour \x1b[31m red and then some more text to read", 100)
    assert line == "colour \\x1b[31m red and then some more text to read"


def test_text_stays_text_and_bytes_become_a_dump():
    """UTF-8 with its lines, cut within a character; anything else in hexadecimal."""
    assert list(value_lines("né\nzwei".encode(), 100)) == ["né", "zwei"]
    assert list(value_lines("né".encode(), 2)) == ["n", "... 1 more bytes: --bytes 3 shows all"]
    assert list(value_lines(b"\xff\x00A", 100)) == list(hex_lines(b"\xff\x00A"))
    assert list(value_lines(bytes(range(8)), 100)) == list(hex_lines(bytes(range(8))))
    assert list(hex_lines(b"\xff\x00A|" + b"z" * 13))[1].startswith("00000010  7a")


@given(st.binary(max_size=100))
def test_a_dump_holds_every_byte(value):
    """The hexadecimal columns are the value."""
    assert bytes.fromhex("".join(line[10:57] for line in hex_lines(value))) == value


def test_a_letter_is_shown_with_place_key_headers_and_value():
    """And a null value is told from an empty one."""
    letter = record_of(dead_outgoing(source_record(value=b'{"a": 1}')), offset=7)
    lines = list(record_lines(letter, 2_000))
    assert lines[0] == "letter  dead/0/7"
    assert any(line.split() == ["nt_reason", "no_text"] for line in lines)
    assert lines[-2:] == ["value   8 bytes", '{"a": 1}']
    assert list(record_lines(record_of(dead_outgoing(source_record(value=None))), 10))[-1] == "value   null"
    assert "value   0 bytes" in list(record_lines(record_of(dead_outgoing(source_record(value=b""))), 10))
