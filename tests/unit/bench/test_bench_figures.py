"""The benchmark's arithmetic: what is counted, between when, and what is promised from it."""

import importlib.util
from dataclasses import replace

import orjson
import pytest

from tests.bench.__main__ import turns
from tests.bench.figures import Sample, ceiling, per_cpu_second, quantile, steady
from tests.bench.harness import Observed, Stage, figures
from tests.bench.java import HERE, no_java
from tests.bench.regimes import CPU, LOW, RATE, REGIMES, quick
from tests.bench.results import COLUMNS, markdown, ratios, table
from tests.bench.roster import ROSTER
from tests.bench.run import Trace
from tests.bench.targets import judged
from tests.bench.topic import _told, inputs
from tests.checker import judge
from topics.jars import read_lock
from topics.record import Partition, Record


def test_the_start_does_not_count():
    """A slow first tenth leaves the rate of the rest as it is."""
    times = [0.0] * 9 + [10.0] + [10.0 + n / 100 for n in range(1, 91)]
    assert steady(times, 0.1).per_second == pytest.approx(100)
    assert steady(times, 0.1, 0.5).count == 50
    assert steady([1.0] * 9, 0.1) is None


def test_bursts_count_by_the_time_between_them():
    """A peer that puts out a thousand at once every five seconds does 200 a second, not a million."""
    times = [5.0 * burst + n / 1e6 for burst in range(4) for n in range(1000)]
    assert steady(times, 0.1).per_second == pytest.approx(200, rel=0.01)
    assert steady(times[:1000], 0.1) is None


def test_cpu_time_is_taken_between_samples_inside_the_window():
    """Neither start-up's CPU nor the time after the last event is charged."""
    times = [n / 10 for n in range(101)]
    samples = [Sample(float(n), 100.0 if n == 0 else 100 + n / 2, 1) for n in range(13)]
    assert per_cpu_second(times, samples, steady(times, 0.1)) == pytest.approx(20)
    assert per_cpu_second(times, samples[:2], steady(times, 0.1)) is None


def test_the_tightest_limit_is_the_ceiling():
    """R* is the smallest number of calls a second, times a full batch."""
    assert ceiling([5.0, 4.5], 16) == 72


def test_quantiles_are_values_that_were_seen():
    """Nearest rank: the 99th of forty is the largest."""
    assert quantile([float(n) for n in range(40)], 0.99) == 39
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2


def test_a_ratio_needs_both_sides():
    """Ratios are of medians over rounds, and there is none without the other peer."""
    results = [
        {"regime": "cpu", "peer": "worker", "per_cpu_second": value, "per_second": 10, "rss_mb": 100} for value in (70, 80, 90)
    ]
    assert "cpu.per_cpu_second.worker_to_bare" not in ratios(results)
    results += [
        {"regime": "cpu", "peer": "bare", "per_cpu_second": 100, "per_second": 10},
        {"regime": "cpu", "peer": "faust", "per_cpu_second": None, "per_second": 5},
    ]
    found = ratios(results)
    assert found["cpu.per_cpu_second.worker_to_bare"] == 0.8
    assert found["cpu.per_second.worker_to_faust"] == 2


def test_a_missed_target_is_said_with_its_number():
    """Beside those that are met and those that this run did not measure; of the frameworks the best one counts."""
    results = [
        {"regime": "cpu", "peer": peer, "per_second": rate} for peer, rate in {"worker": 10, "faust": 4, "arroyo": 8}.items()
    ]
    said = {target.name: target.sentence for target in judged(ratios(results))}
    assert said["cpu.per_second.worker_to_best_python"].startswith(
        "MISSED: cpu.per_second.worker_to_best_python is 1.25, aimed at 2"
    )
    assert said["rate.efficiency"] == "not measured: rate.efficiency, aimed at 0.97 or more"
    (met,) = [target for target in judged({"low.p99_seconds": 0.449}) if target.value is not None]
    assert met.met


@pytest.mark.parametrize("regime", REGIMES)
def test_every_regime_has_a_table(regime):
    """A run that failed has its row and its reason."""
    results = [{"regime": regime, "peer": peer, "why": "it ended with code 1"} for peer in ROSTER]
    assert len(table(regime, results)) == 1 + len(ROSTER)
    assert markdown(regime, "says", results).count("it ended with code 1") == len(ROSTER)
    assert set(COLUMNS) == set(REGIMES)


def test_the_worker_and_the_loop_take_turns():
    """So that neither always runs on the warmer machine; the field runs once."""
    assert [(peer.name, n) for peer, n in turns(CPU, ["worker", "bare", "faust"])] == [
        ("worker", 0),
        ("bare", 0),
        ("bare", 1),
        ("worker", 1),
        ("faust", 0),
    ]
    assert [peer.name for peer, _ in turns(LOW, ["worker", "bare", "faust"])] == ["worker"]
    assert [peer.name for peer, _ in turns(RATE, ["quix", "quix-threads"])] == ["quix-threads"]
    assert quick(CPU).messages < CPU.messages


def test_a_peers_events_are_judged_like_the_workers():
    """The body alone says where an event comes from; the checker counts what is lost and doubled."""
    records = inputs("in", 30)
    events = [
        _told(
            record.__class__(
                record.partition,
                record.offset,
                record.key,
                b'{"id":"%d-%d","message":{"id":"%b"},"source":{"topic":"in","partition":%d,"offset":%d}}'
                % (record.partition.number, record.offset, record.key, record.partition.number, record.offset),
                (),
                0,
            )
        )
        for record in records[1:]
    ]
    verdict = judge(records, [*events, events[0]], {})
    assert (verdict.lost.count, verdict.doubled.count, verdict.alien.count, verdict.mismatched.count) == (1, 1, 0, 0)


@pytest.mark.parametrize("lock", ["parallel-consumer.lock", "flink.lock"])
def test_java_peers_are_locked(lock):
    """Every jar has its digest, and every class its source."""
    jars = {jar.coordinate.artifact for jar in read_lock((HERE / lock).read_text(encoding="utf-8"))}
    assert {"kafka-clients", "jackson-databind"} <= jars
    assert {path.name for path in HERE.glob("*.java")} == {"Job.java", "ParallelConsumerPeer.java", "FlinkPeer.java"}


def test_a_machine_without_a_jdk_says_so(monkeypatch):
    """The peer is listed with the reason, never left out in silence."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert "javac" in no_java("flink.lock")()


@pytest.mark.parametrize("name", ["bare", "faust_agent", "arroyo_steps", "quix_sink", "faststream_batches", "bytewax_flow"])
def test_every_peer_has_its_program(name):
    """A peer that is listed can be started."""
    assert importlib.util.find_spec(f"tests.bench.peers.{name}") is not None


@pytest.mark.parametrize(("why", "lost"), [(None, 5), ("not done in its time", None)])
def test_what_may_still_come_is_not_lost(why, lost, tmp_path):
    """A run that did not come to rest tells nothing of what it lost; what it doubled it doubled."""
    regime = replace(REGIMES["kill"], messages=10)
    stage = Stage("", tmp_path, regime, "in")
    events = [_event(number, place) for place, number in enumerate((0, 1, 2, 3, 4, 4))]
    stats = {"items": 10, "distinct_texts": 0, "calls": 1, "limited": 0, "tokens": 1, "cpu_seconds": 0.0}
    found = figures(stage, Observed(Trace(why=why), events, stats, []), "in")
    assert (found["lost"], found["doubled"]) == (lost, 1)


def _event(number, place):
    source = {"topic": "in", "partition": number % 6, "offset": number // 6}
    headers = (
        ("ce_id", b"id-%d" % place),
        ("nt_topic", b"in"),
        ("nt_partition", b"%d" % source["partition"]),
        ("nt_offset", b"%d" % source["offset"]),
    )
    body = orjson.dumps({"id": str(place), "message": {"id": str(number)}, "source": source})
    return Record(Partition("out", 0), place, b"%d" % number, body, headers, place * 1000)
