"""Audits through the whole worker: put up exactly once, and when findings speak against the promise nothing is labelled."""

import orjson
import pytest

from schemas.auditing import Resumption
from schemas.events import AuditEvent
from tests.helpers import until
from tests.unit.auditing.house import AuditHouse, badly, truth, well
from workers.auditing.choosing import Choice
from workers.probing.marks import Marks


def wrong(events) -> int:
    return sum(
        event["fields"]["intent"]["value"] != truth("cancel" if int(event["message"]["id"]) % 2 else "") for event in events
    )


async def test_a_chosen_share_is_put_up_beside_its_labelled_event() -> None:
    """By the event's id, once each, with text and claim; the labelled event goes out all the same."""
    house = AuditHouse(**{"audit.choice_key": None})
    async with house.working():
        house.send(200)
        await house.settled()
    labelled = {dict(record.headers)["ce_id"].decode(): orjson.loads(record.value) for record in house.cluster.read("labelled")}
    choice = Choice(0.3, b"")
    copies = [AuditEvent.model_validate(value) for value in house.values("audit")]
    assert sorted(copy.claim.id for copy in copies) == sorted(each for each in labelled if choice.chooses(each))
    assert 30 < len(copies) < 80
    for copy in copies:
        event = labelled[copy.claim.id]
        assert copy.claim.labels == {"intent": event["fields"]["intent"]["value"]}
        assert copy.claim.calibration == event["assurance"]["calibration"]
        assert copy.text is not None
        assert copy.text.endswith(copy.message.id)
        assert (copy.source.model_dump(), copy.message.id) == (event["source"], event["message"]["id"])
    ids = {dict(record.headers)["ce_id"] for record in house.cluster.read("audit")}
    assert ids == {f"{copy.claim.id}/audit".encode() for copy in copies}


async def test_a_probe_is_not_put_up(monkeypatch) -> None:
    """Its answer is known; everybody else's labelled message is, with this share."""
    monkeypatch.setenv("NANOTRIAGE_PROBE__MARK_KEY", "secret")
    house = AuditHouse(**{"audit.share": 1.0})
    value = orjson.dumps({"body": "please cancel 1001", "id": "probe"})
    async with house.working():
        house.cluster.produce("in", b"p", value, (Marks(b"secret").header("p-1", value),))
        house.sent += 1
        house.send(10)
        await house.settled()
    assert "probe" in {event["message"]["id"] for event in house.values("labelled")}
    put_up = {AuditEvent.model_validate(copy).message.id for copy in house.values("audit")}
    assert put_up == {event["message"]["id"] for event in house.values("labelled")} - {"probe"}


async def test_a_model_gone_bad_is_found_out_and_nothing_is_labelled_any_more() -> None:
    """Findings arrive, the worker fails closed: no labelled event, right or wrong, after the alarm; a restart changes nothing."""
    house = AuditHouse()
    calibration = await house.calibration()
    async with house.working(calibration):
        house.send(200)
        await house.settled()
        house.audit()
        assert wrong(house.values("labelled")) == 0
        house.model.label = badly
        house.send(100)
        await house.settled()
        assert wrong(house.values("labelled")) > 20
        house.audit()
        await until(lambda: _escalates(house))
        await house.settled()
        before = len(house.values("labelled"))
        house.send(200)
        await house.settled()
        assert len(house.values("labelled")) == before
    async with house.working(calibration):
        house.send(50)
        await house.settled()
    assert len(house.values("labelled")) == before
    last = [event for event in house.values("escalated") if int(event["message"]["id"]) >= house.sent - 50]
    assert len(last) == 50
    reasons = {reason["reason"] for event in last for reason in event["reasons"]}
    assert reasons == {"promise_in_doubt", "low_confidence"}
    assert "audits contradict the promise of 5.0% errors" in orjson.dumps(last).decode()


def _sends(house: AuditHouse) -> bool:
    house.send(1)
    return True


def _escalates(house: AuditHouse) -> bool:
    """Send one more, and return whether something was escalated under the alarm."""
    house.send(1)
    return any(reason["reason"] == "promise_in_doubt" for event in house.values("escalated") for reason in event["reasons"])


async def test_an_operator_or_a_new_calibration_ends_an_alarm() -> None:
    """The operator's word at run time, a calibration at the next start."""
    house = AuditHouse()
    calibration = await house.calibration()
    house.model.label = badly
    async with house.working(calibration):
        house.send(200)
        await house.settled()
        house.audit()
        await until(lambda: _escalates(house))
        await house.settled()
        house.model.label = well
        before = len(house.values("labelled"))
        resumed = Resumption(task="tickets", calibration=calibration.identity, because="the model is mended")
        house.cluster.produce("findings", None, orjson.dumps(resumed.model_dump()))
        await until(lambda: _sends(house) and len(house.values("labelled")) > before)
        await house.settled()
    newer = calibration.model_copy(update={"library": "newer"})
    house.cluster.produce(
        "findings",
        None,
        orjson.dumps(
            {"event": "nanotriage.promise_alarm.v1", "task": "tickets", "calibration": calibration.identity, "why": "w"}
        ),
    )
    before = len(house.values("labelled"))
    async with house.working(newer):
        house.send(20)
        await house.settled()
    assert len(house.values("labelled")) == before + 18


async def test_other_scores_stop_labels_and_the_alarm_is_in_the_findings() -> None:
    """A model that is suddenly sure of everything: the alarm commits with the message that raised it, and outlives the worker."""
    house = AuditHouse(**{"promise.shift": 0.1})
    calibration = await house.calibration()
    house.model.label = lambda text: {**well(text), "sure": "high"}
    async with house.working(calibration):
        house.send(1500)
        await house.settled()
        alarms = [value for value in house.values("findings") if value["event"] == "nanotriage.promise_alarm.v1"]
        assert len(alarms) == 1
        assert "population stability index" in alarms[0]["why"]
        before = len(house.values("labelled"))
        house.send(20)
        await house.settled()
        assert len(house.values("labelled")) == before
    async with house.working(calibration):
        house.send(20)
        await house.settled()
    assert len(house.values("labelled")) == before


async def test_told_to_warn_it_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """Labels go out, and the alarm is said once."""
    house = AuditHouse(**{"promise.on_alarm": "warn"})
    house.model.label = badly
    async with house.working():
        house.send(200)
        await house.settled()
        house.audit()
        await until(lambda: any(record.getMessage() == "promise_alarm" for record in caplog.records))
        before = len(house.values("labelled"))
        house.send(50)
        await house.settled()
        assert len(house.values("labelled")) > before
    assert sum(record.getMessage() == "promise_alarm" for record in caplog.records) == 1
