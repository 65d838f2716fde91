"""The checker has teeth: each way to break the promise, by hand, is found; a clean history passes."""

import orjson
import pytest

from schemas.events import EventIds, EventKind
from tests.checker import Evidence, Promise, digest, judge
from tests.log_truth import Fate
from topics.commit_map import encode
from topics.record import Committed, Partition, Position, Record

SOURCES = (Partition("in", 0), Partition("in", 1))
OUT = Partition("labelled", 0)
DEAD = Partition("dead", 0)


def source(partition, offset, key=None):
    key = b"key-%d" % (offset % 3) if key is None else key
    return Record(partition, offset, key, orjson.dumps({"id": f"{partition.number}-{offset}", "text": "t"}), (), 1)


def event(record, place, *, kind=EventKind.LABELLED, out=OUT):
    origin = record.partition
    headers = (
        ("ce_id", EventIds("s", origin.topic, origin.number).of(record.offset, kind).encode()),
        ("ce_type", kind.event_type.encode()),
        ("nt_topic", origin.topic.encode()),
        ("nt_partition", b"%d" % origin.number),
        ("nt_offset", b"%d" % record.offset),
    )
    value = record.value
    if kind is not EventKind.DEAD:
        body = {
            "message": {"id": f"{origin.number}-{record.offset}"},
            "source": {"topic": origin.topic, "partition": origin.number, "offset": record.offset},
        }
        value = orjson.dumps(body)
    return Record(out, place, record.key, value, headers, 2)


class History:
    """A clean run: 20 records in each of two partitions, one dead letter, positions at 18 with 19 in the map."""

    def __init__(self):
        self.inputs = [source(partition, offset) for partition in SOURCES for offset in range(20)]
        published = [r for r in self.inputs if r.offset != 18]
        self.inputs = published  # offset 18 is a transaction marker: it never was a record
        self.outputs = [event(record, place) for place, record in enumerate(published)]
        self.outputs[7] = event(published[7], 0, kind=EventKind.DEAD, out=DEAD)
        self.committed = {p: Committed(Position.restored(p, 18), encode(18, [19])) for p in SOURCES}
        self.commits = [commit(p, *rest) for p in SOURCES for rest in ((5, [7]), (5, [7, 9]), (8, [9]), (18, [19]))]
        self.sampled = self.commits[::2]
        self.calm = False
        self.second = {}
        for place in {out.partition for out in self.outputs}:
            self.second[place] = [(out.offset, digest(out)) for out in self.outputs if out.partition == place]
        self.fates = {}
        for place, seen in self.second.items():
            self.fates[place] = Fate(frozenset(offset for offset, _ in seen), frozenset({500, 501}), frozenset())

    def judge(self, **promises):
        return judge(self.inputs, self.outputs, self.committed, **promises)

    def judge_with_evidence(self):
        evidence = Evidence(self.fates, self.commits, self.second, self.sampled, self.calm)
        return judge(self.inputs, self.outputs, self.committed, evidence=evidence)


def commit(partition, offset, above):
    return Committed(Position.restored(partition, offset), encode(offset, above))


def lose(history):
    del history.outputs[3]


def double(history):
    history.outputs.append(history.outputs[3]._replace(offset=99))


def double_as_another_kind(history):
    history.outputs.append(event(history.inputs[3], 1, kind=EventKind.DEAD, out=DEAD))


def misorder(history):
    history.outputs[0], history.outputs[3] = history.outputs[3], history.outputs[0]


def exchange_payloads(history):
    one, two = history.outputs[0], history.outputs[1]
    history.outputs[0] = one._replace(value=two.value)


def exchange_keys(history):
    history.outputs[0] = history.outputs[0]._replace(key=b"another")


def change_a_dead_letter(history):
    history.outputs[7] = history.outputs[7]._replace(value=b"{}")


def publish_what_nobody_sent(history):
    history.outputs.append(event(source(SOURCES[0], 500), 99))


def publish_without_provenance(history):
    history.outputs.append(Record(OUT, 99, b"k", b"{}", (("ce_id", b"x"),), 1))


def map_skips_one(history):
    history.committed[SOURCES[0]] = Committed(Position.restored(SOURCES[0], 18), encode(18, []))


def map_names_one_too_many(history):
    history.inputs.append(source(SOURCES[0], 20))
    history.committed[SOURCES[0]] = Committed(Position.restored(SOURCES[0], 18), encode(18, [19, 20]))


def position_lags(history):
    history.committed[SOURCES[1]] = Committed(Position.restored(SOURCES[1], 17), encode(17, [19]))


def position_leads(history):
    history.inputs.append(source(SOURCES[1], 20))
    history.committed[SOURCES[1]] = Committed(Position.restored(SOURCES[1], 21), "")


def unreadable_map(history):
    history.committed[SOURCES[0]] = Committed(Position.restored(SOURCES[0], 18), "v9:?")


def nothing_committed(history):
    history.committed[SOURCES[0]] = None


def partition_forgotten(history):
    del history.committed[SOURCES[0]]


CRIMES = {
    lose: {"lost", "overcommitted"},
    double: {"doubled", "repeated_ids", "misordered"},
    double_as_another_kind: {"doubled"},
    misorder: {"misordered"},
    exchange_payloads: {"mismatched"},
    exchange_keys: {"mismatched"},
    change_a_dead_letter: {"mismatched"},
    publish_what_nobody_sent: {"alien"},
    publish_without_provenance: {"alien"},
    map_skips_one: {"uncommitted"},
    map_names_one_too_many: {"lost", "overcommitted"},
    position_lags: {"uncommitted"},
    position_leads: {"lost", "overcommitted"},
    unreadable_map: {"uncommitted"},
    nothing_committed: {"uncommitted"},
    partition_forgotten: {"uncommitted"},
}


def test_a_clean_history_passes():
    """One event each, in order, and committed: the promise is kept."""
    verdict = History().judge()
    assert verdict.kept, str(verdict)
    assert (verdict.inputs, verdict.events) == (38, 38)
    assert verdict.by_topic == {"labelled": 37, "dead": 1}


@pytest.mark.parametrize("crime", CRIMES, ids=lambda crime: crime.__name__)
def test_each_crime_is_found_and_no_other(crime):
    """One hand-made fault makes exactly its own findings."""
    history = History()
    crime(history)
    verdict = history.judge()
    assert set(verdict.findings) == CRIMES[crime], str(verdict)
    assert not verdict.kept


def show_what_was_aborted(history):
    fate = history.fates[DEAD]
    history.fates[DEAD] = Fate(frozenset(), fate.committed | fate.aborted, frozenset())


def show_what_is_undecided(history):
    history.fates[DEAD] = Fate(frozenset(), frozenset(), history.fates[DEAD].committed)


def hide_what_is_committed(history):
    fate = history.fates[DEAD]
    history.fates[DEAD] = Fate(fate.committed | {77}, fate.aborted, frozenset())


def commit_a_lower_position(history):
    history.commits.append(commit(SOURCES[0], 17, [17, 18, 19]))


def commit_a_smaller_map(history):
    history.commits.insert(2, commit(SOURCES[0], 5, [9]))


def tell_a_lower_position(history):
    history.sampled.append(commit(SOURCES[1], 4, []))


def show_another_reader_less(history):
    del history.second[OUT][4]


def show_another_reader_another_value(history):
    history.second[OUT][4] = (history.second[OUT][4][0], 1)


def show_another_reader_one_twice(history):
    history.second[OUT].append(history.second[OUT][-1])


def abort_though_nothing_failed(history):
    history.calm = True


CRIMES_BY_EVIDENCE = {
    abort_though_nothing_failed: {"disturbed"},
    show_what_was_aborted: {"aborted"},
    show_what_is_undecided: {"aborted"},
    hide_what_is_committed: {"hidden"},
    commit_a_lower_position: {"regressed"},
    commit_a_smaller_map: {"regressed"},
    tell_a_lower_position: {"regressed"},
    show_another_reader_less: {"disagreed"},
    show_another_reader_another_value: {"disagreed"},
    show_another_reader_one_twice: {"disagreed"},
}


@pytest.mark.parametrize("crime", CRIMES_BY_EVIDENCE, ids=lambda crime: crime.__name__)
def test_each_crime_that_needs_evidence_is_found_and_no_other(crime):
    """What the log files, all commits and a second reader say is compared with what was read."""
    history = History()
    assert history.judge_with_evidence().kept, str(history.judge_with_evidence())
    crime(history)
    assert set(history.judge_with_evidence().findings) == CRIMES_BY_EVIDENCE[crime]


def test_findings_are_counted_and_the_first_are_named():
    """A count of all, and a few examples to look at."""
    history = History()
    del history.outputs[10:20]
    verdict = history.judge()
    assert verdict.lost.count == 10
    assert verdict.lost.examples[0] == "in/0@10"
    assert len(verdict.lost.examples) == 5
    assert "10 lost (in/0@10" in str(verdict)


def test_records_without_a_key_wait_for_nobody():
    """Order is promised within a key only."""
    history = History()
    history.inputs = [record._replace(key=None) for record in history.inputs]
    history.outputs = [record._replace(key=None) for record in history.outputs[::-1]]
    assert history.judge().kept


def test_order_is_judged_within_each_output_partition():
    """Two topics are read independently: no order is promised between them."""
    history = History()
    history.outputs.insert(0, history.outputs.pop(7))
    assert history.judge().kept


def test_other_orders_are_judged_as_promised():
    """By partition, records without a key keep their order too; by none, nothing is out of order."""
    history = History()
    history.inputs = [record._replace(key=None) for record in history.inputs]
    history.outputs = [record._replace(key=None) for record in history.outputs[::-1]]
    assert set(history.judge(order="partition").findings) == {"misordered"}
    misordered = History()
    misorder(misordered)
    assert misordered.judge(order="none").kept


@pytest.mark.parametrize("crime", [double, double_as_another_kind])
def test_at_least_once_allows_repeats_and_counts_them(crime):
    """What is there twice is no finding then, but a number; what is lost or out of order still is one."""
    history = History()
    crime(history)
    verdict = history.judge(promise=Promise.AT_LEAST_ONCE)
    assert verdict.kept, str(verdict)
    assert verdict.repeats == 1
    history.outputs[1], history.outputs[4] = history.outputs[4], history.outputs[1]
    del history.outputs[7]
    assert {"lost", "misordered"} <= set(history.judge(promise=Promise.AT_LEAST_ONCE).findings)


def test_nothing_in_and_nothing_out_is_kept():
    """An idle run breaks no promise."""
    assert judge([], [], {}).kept
