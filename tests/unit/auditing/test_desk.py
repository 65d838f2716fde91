"""The auditor's desk: what is open, what a file of findings may say, and that findings arrive."""

import orjson
import pytest

from schemas.auditing import Finding
from schemas.events import Claim
from schemas.promise import Promise
from tests.unit.auditing.house import TASK, AuditHouse, truth
from topics.record import Outgoing
from workers.auditing.copies import without_text
from workers.auditing.desk import notes, put_up, tell
from workers.auditing.findings_file import findings_of, labels_of, read_lines
from workers.auditing.monitor import Monitor, Pledge
from workers.auditing.report import report_json, report_rows, sentence
from workers.exits import UserError


async def everything(house, wanted=lambda _event_id: True):
    return [one async for one in put_up(house.cluster.log(), "audit", TASK.name, wanted, lambda _count: None)]


async def test_what_was_put_up_is_found_and_answered_by_a_file() -> None:
    """From the audit topic to a file, and back as findings that a monitor takes; who found them is told."""
    house = AuditHouse()
    async with house.working(calibration := await house.calibration()):
        house.send(60)
        await house.settled()
    put = house.values("audit")
    for noise in (b"{", b"[]", None, orjson.dumps({"event": "nanotriage.audit.v1"})):
        house.cluster.produce("audit", None, noise)
    first, *rest = await everything(house)
    assert {one.claim.id for one in rest} | {first.claim.id} == {value["claim"]["id"] for value in put}
    lines = [orjson.dumps({"id": one.claim.id, "labels": {"intent": truth(one.text)}}) for one in rest]
    labels = read_lines([*lines, b"", orjson.dumps({"id": first.claim.id, "labels": {}})], "f", TASK)
    assert first.claim.id not in labels
    claims = {one.claim.id: one.claim for one in await everything(house, labels.__contains__)}
    assert len(claims) == len(rest)
    await tell(house.cluster.log(), "findings", "app.audit.tickets", findings_of(labels, claims, "anna"))
    found = await notes(house.cluster.log(), "findings", lambda _count: None)
    assert {(note.claim.id, note.by) for note in found if isinstance(note, Finding)} == {(each, "anna") for each in labels}
    monitor = Monitor(TASK.name, labels_of(TASK), None)
    assert not any(monitor.take(note) for note in found), "they are of a calibration, and this monitor is of none"
    assert claims[rest[0].claim.id].calibration == calibration.identity


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "line 2: it is no JSON object"),
        (b'{"id": 7, "labels": {}}', "line 2: a finding is"),
        (b'{"id": "e", "labels": ["cancel"]}', "line 2: a finding is"),
        (b'{"id": "e", "labels": {"hue": "blue"}}', "hue is no label field; name one of: intent"),
        (b'{"id": "e", "labels": {"intent": "cancle"}}', "field intent has no label cancle; correct it, or null for none"),
    ],
)
def test_a_line_that_is_no_finding_is_refused_with_its_number(line, why) -> None:
    """Before anything is published."""
    with pytest.raises(UserError, match="f, ") as refused:
        read_lines([b'{"id": "e", "labels": {"intent": null}}', line], "f", TASK)
    assert why in str(refused.value)


def test_an_event_that_was_not_put_up_cannot_be_found_out_about() -> None:
    """Who picks his own messages would make the precision a matter of taste."""
    with pytest.raises(UserError, match="event b was never put up for audit, and 1 others"):
        findings_of({"a": {}, "b": {}, "c": {}}, {"a": Claim(id="a", task="tickets", labels={})}, "anna")


def test_an_audit_event_too_large_for_its_topic_loses_its_text_and_no_more_than_it_must() -> None:
    """First the text, then all but the headers, which name its record: it is never in the way of the labelled event."""
    event = Outgoing("audit", b"k", orjson.dumps({"event": "nanotriage.audit.v1", "text": "x" * 100, "claim": {"id": "e"}}), ())
    smaller = without_text(event)
    assert orjson.loads(smaller.value) == {"event": "nanotriage.audit.v1", "text": None, "claim": {"id": "e"}}
    assert without_text(smaller) == Outgoing("audit", None, None, ())
    assert without_text(without_text(smaller)) == Outgoing("audit", None, None, ())


def test_an_audit_event_keeps_no_header_of_the_message_that_its_topic_may_refuse() -> None:
    """A message decides how large its `tracestate` is; what names the record stays."""
    ours = (("ce_id", b"e/audit"), ("nt_topic", b"in"))
    event = Outgoing("audit", b"k", b"{}", (*ours, ("traceparent", b"00-1"), ("tracestate", b"x" * 10_000)))
    assert without_text(event) == Outgoing("audit", None, None, ours)


def test_a_report_says_what_follows() -> None:
    """Nothing yet, nothing against it, and an alarm; in words, as a table and as JSON."""
    pledge = Pledge(Promise(error=0.05), ("intent",), "c1", None, 0.02, None)
    monitor = Monitor(TASK.name, labels_of(TASK), pledge)
    assert "see `nanotriage audit list`" in sentence(pledge.promise, monitor.standing())
    for number in range(4):
        claim = Claim(id=f"e{number}", task="tickets", calibration="c1", labels={"intent": "cancel"}, probability=0.9)
        monitor.take(Finding(claim=claim, labels={"intent": "track" if number else "cancel"}))
        if not number:
            assert "Nothing speaks against at most 5.0% errors" in sentence(pledge.promise, monitor.standing())
    standing = monitor.standing()
    heads, rows = report_rows(standing)
    assert [dict(zip(heads, row, strict=True))["WRONG"] for row in rows] == ["3", "3"]
    assert report_json(standing)["fields"]["*"]["precision"] == 0.25
    assert "3 of 4 audited messages are wrong: nothing is labelled. Calibrate again" in sentence(pledge.promise, standing)
    assert sentence(None, standing) == "The task states no promise that could be broken."
