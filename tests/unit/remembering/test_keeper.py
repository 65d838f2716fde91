"""The keeper of conversations: whose turn a record is, and what becomes of the window."""

from dataclasses import replace

import orjson
import pytest

from schemas.context import ContextRule
from topics.record import Partition, Record
from workers.commands.stateful import group_of
from workers.contexts import rule_of
from workers.exits import UserError
from workers.probing.marks import Marks
from workers.remembering.wire import customer_digest, digest_of, from_bytes, marker_of
from workers.stateful.keeper import keeper_of
from workers.taskfiles import load_task

TASK = load_task("support_tickets").task
SOURCE = TASK.source.model_copy(
    update={
        "text": "body",
        "id": "id",
        "tenant": "shop",
        "key": None,
        "metadata": {"by": "by", "thread": "thread", "who": "who"},
    }
)


def keeper(**rule):
    rule = ContextRule(topic="said", **rule)
    return keeper_of(TASK.model_copy(update={"source": SOURCE, "context": rule}), rule)


def record(offset=0, time=1_000, key=b"k", **body):
    value = orjson.dumps({"id": f"m{offset}", "body": "hello"} | body)
    return Record(Partition("in", 0), offset, key, value, (), time)


def test_two_tenants_share_no_conversation():
    """Whatever they call it."""
    names = {
        keeper().turn(record(shop=shop, key=key))[0] for shop, key in [("a", b"b"), ("a", b"c"), ("b", b"b"), (None, b"b")]
    }
    assert len(names) == 4


@pytest.mark.parametrize("what", [record(key=None), record(key=b""), record(body=" "), record()._replace(value=None)])
def test_what_has_no_key_or_no_text_is_no_turn(what):
    """A tombstone, a dead letter to be, a message of nobody."""
    assert keeper().turn(what) is None


def test_a_probe_is_nobodys_turn():
    """It would be the context of the next one; a made-up mark is no mark."""
    marks, said = Marks(b"secret"), record()
    watching = replace(keeper(), marks=marks)
    assert watching.turn(said._replace(headers=(marks.header("p-1", said.value),))) is None
    assert watching.turn(said._replace(headers=(marks.header("p-1", b"other"),))) is not None
    assert watching.turn(said) == keeper().turn(said)


def test_a_mapped_field_names_the_conversation_and_the_speaker():
    """Without the field the message is in no conversation."""
    mapped = keeper(conversation="thread", speaker="by")
    key, turn = mapped.turn(record(thread="t-1", by="agent"))
    assert (key, turn.speaker, turn.text) == (b"t-1", "agent", "hello")
    assert mapped.turn(record()) is None


def test_a_forgotten_turn_does_not_come_back_and_a_new_one_is_taken():
    """Records from before the request may be read again after a kill."""
    kept = keeper()
    marker = orjson.dumps({"sha256": digest_of(b"k"), "until_ms": 1_500})
    assert kept.after(None, [marker], kept.turn(record(time=1_500))) is None
    value = kept.after(None, [None, marker], kept.turn(record(offset=1, time=1_501)))
    assert [turn.id for turn in from_bytes(value).turns] == ["m1"]


def test_a_conversation_names_its_customers_by_their_digest_alone():
    """Also after their turns fell out; what is written says so, and no byte of their names."""
    kept, value = keeper(customer="who", turns=1), None
    for offset, more in enumerate([{"who": "anna"}, {"by": "agent"}, {"who": "bert", "shop": None}, {"who": "anna"}]):
        value = kept.after(value, (), kept.turn(record(offset, **more)))
    assert set(from_bytes(value).customers) == {customer_digest(None, name) for name in (b"anna", b"bert")}
    assert b"anna" not in value
    assert customer_digest("a", b"anna") not in from_bytes(value).customers


def test_more_customers_than_can_be_named_begin_the_conversation_anew():
    """Whoever is in it can be forgotten: nothing of a customer is left who is not named."""
    kept, value = keeper(customer="who", turns=50, tokens=8_000), None
    for offset in range(17):
        value = kept.after(value, (), kept.turn(record(offset, who=f"c{offset}", body=f"I am c{offset}.")))
    found = from_bytes(value)
    assert ([turn.id for turn in found.turns], found.fallen.turns) == (["m16"], 0)
    assert found.customers == (customer_digest(None, b"c16"),)


def test_a_turn_of_a_forgotten_customer_does_not_come_back():
    """In whichever conversation it was said; another's turn there does."""
    kept = keeper(customer="who")
    marker = orjson.dumps({"sha256": customer_digest(None, b"anna"), "until_ms": 1_500})
    held = {marker_of(customer_digest(None, b"anna")): marker}
    for who, comes_back in (("anna", False), ("bert", True), (None, True)):
        said = kept.turn(record(who=who))
        assert (kept.after(None, [held.get(key) for key in said.markers()], said) is not None) == comes_back


def test_a_record_read_again_is_written_again():
    """The table may be ahead of its log when a process is killed: the log must get what the table has."""
    kept = keeper()
    once = kept.after(None, (), kept.turn(record()))
    assert kept.after(once, (), kept.turn(record())) == once
    assert (kept.counts.turns, kept.counts.unchanged) == (1, 1)


def test_a_value_of_another_version_is_begun_anew():
    """Rather no context than a wrong one, and never an error."""
    kept = keeper()
    assert len(from_bytes(kept.after(b'{"v":99}', (), kept.turn(record()))).turns) == 1


def test_the_group_is_no_worker_s_and_a_task_without_context_is_refused():
    """The model path's offsets are its own."""
    assert group_of("nanotriage", TASK) == "nanotriage.conversations.support_tickets"
    with pytest.raises(UserError, match="keeps no conversations"):
        rule_of(TASK)
