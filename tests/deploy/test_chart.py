"""What the chart makes of its values is what Kubernetes, the operators and the worker take."""

import subprocess

import pytest

from tests.deploy import tools
from tests.deploy.chart import CASES, CHART, ChartRefused, container, one, render, rendered, variables
from tests.deploy.layers import LAYERS
from tests.secured import Grant, scaler_grants, worker_grants
from tests.task_texts import TASK
from workers.commands.bench import chart_values
from workers.commands.topics import beside_sources
from workers.measuring.plan import Measure, Point
from workers.setting_table import describe


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("case", CASES)
def test_every_layer_is_content(case, layer):
    """Schemas of five Kubernetes versions and of every operator, names that must agree, Pod Security, the worker's own reading."""
    assert list(LAYERS[layer](rendered(case))) == []


def test_helm_is_content():
    """Lint finds nothing, warnings included."""
    done = subprocess.run(
        [str(tools.helm()), "lint", "--strict", str(CHART)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_charts_own_suite_passes():
    """`helm unittest` runs beside the chart for whoever changes it without Python."""
    done = subprocess.run([str(tools.helm_unittest()), str(CHART)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("scaling", "limits", "most"),
    [
        ({}, {}, 12),
        ({"partitions": 24}, {}, 24),
        ({}, {"tokens_per_minute": 2_000_000}, 12),  # 150 messages a second feed 15 workers of 10; there are 12 partitions
        ({"messagesPerSecondPerPod": 50}, {"tokens_per_minute": 2_000_000}, 3),
        ({"tokensPerMinute": 200_000}, {"tokens_per_minute": 2_000_000}, 2),
        ({"tokensPerMinute": 200_000, "tokensPerMessage": 400}, {}, 1),
        ({"tokensPerMinute": 1000}, {}, 1),
        ({"tokensPerMinute": 1000, "max": 7}, {}, 7),
        ({"headroom": 0.45, "messagesPerSecondPerPod": 50}, {"tokens_per_minute": 2_000_000}, 2),
    ],
)
def test_no_more_workers_than_the_quota_feeds(scaling, limits, most):
    """min(partitions, ceil(TPM x headroom / 60 / tokens per message / messages per second of a worker)), at least one."""
    objects = render({"scaling": {"mode": "lag", **scaling}, "settings": {"limits": limits}})
    assert one(objects, "ScaledObject")["spec"]["maxReplicaCount"] == most


def test_two_tasks_have_the_partitions_of_both():
    """Each source topic has so many, and a worker may own one of either."""
    objects = render({"scaling": {"mode": "lag"}, "tasks": {"shipped": ["support_tickets", "banking_support"]}})
    assert one(objects, "ScaledObject")["spec"]["maxReplicaCount"] == 24
    assert len(one(objects, "ScaledObject")["spec"]["triggers"]) == 2


def test_a_worker_is_a_lag_that_it_drains_in_time():
    """The threshold of lag for one worker is what it does in `drainSeconds`."""
    objects = render({"scaling": {"mode": "lag", "messagesPerSecondPerPod": 2.5, "drainSeconds": 60}})
    (trigger,) = one(objects, "ScaledObject")["spec"]["triggers"]
    assert trigger["metadata"]["lagThreshold"] == "150"


def test_a_large_number_is_written_out():
    """Go would print it as 1e+08, which is no integer to the worker."""
    found = variables(render({"settings": {"limits": {"tokens_per_minute": 100_000_000}}}))
    assert found["NANOTRIAGE_LIMITS__TOKENS_PER_MINUTE"] == "100000000"


def test_secrets_are_files():
    """No variable holds one, and each file is below the folder that its Secret is mounted at."""
    objects = rendered("full-values")
    worker = container(objects)
    assert all("valueFrom" not in variable for variable in worker["env"])
    mounts = [mount["mountPath"] for mount in worker["volumeMounts"]]
    named = [value for name, value in variables(objects).items() if name.endswith("_FILE")]
    assert len(named) == 3
    assert all(any(path.startswith(f"{mount}/") for mount in mounts) for path in named)


def test_other_tasks_make_other_pods():
    """A changed task file rolls the Deployment out, since a worker reads its tasks at start."""
    text = "name: a\nsource: {topic: t}\nroutes: {labelled: l, escalated: e, dead: d}\n"
    before, after = (
        one(render({"tasks": {"files": {"a.yaml": text + more}}}), "Deployment")["spec"]["template"]["metadata"]["annotations"]
        for more in ("", "# changed\n")
    )
    assert before != after


REFUSED = [
    ("an unknown value", {"scalling": {"mode": "lag"}}, "scalling"),
    ("an unknown setting", {"settings": {"kafka": {"grup": "a"}}}, "grup"),
    ("a secret among the settings", {"settings": {"model": {"api_key": "k"}}}, "api_key"),
    ("static membership", {"settings": {"kafka": {"group_instance_id": "a"}}}, "group_instance_id"),
    ("an unknown mode", {"scaling": {"mode": "cpu"}}, "mode"),
    ("an unknown task", {"tasks": {"shipped": ["nonsense"]}}, "/tasks/shipped/0"),
    ("no task at all", {"tasks": {"shipped": []}}, "there is no task"),
    ("two tasks on one topic", {"tasks": {"shipped": ["support_tickets", "support_tickets"]}}, "two tasks read the same topic"),
    ("a task file that is none", {"tasks": {"files": {"a.yaml": "name: ["}}}, "a.yaml"),
    ("a task without a source", {"tasks": {"files": {"a.yaml": "name: a\n"}}}, "source.topic"),
    ("a digest that is none", {"image": {"digest": "latest"}}, "digest"),
    ("a stop shorter than a call", {"settings": {"stop_seconds": 30}}, "shorter than the longest call"),
    ("least above most", {"scaling": {"mode": "lag", "min": 13}}, "scaling.min"),
    ("brokers without a port", {"settings": {"kafka": {"brokers": "kafka"}}}, "host:port"),
    ("nowhere to ask", {"networkPolicy": {"modelPeers": []}}, "modelPeers"),
    (
        "no password for KEDA",
        {"scaling": {"mode": "lag"}, "settings": {"kafka": {"security": "SASL_SSL", "sasl_mechanism": "PLAIN"}}},
        "passwordSecret",
    ),
]


@pytest.mark.parametrize(("values", "said"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_be_meant_is_refused_before_it_is_installed(values, said):
    """By the schema of the values or by the templates, with the name of what is wrong."""
    with pytest.raises(ChartRefused, match=said):
        render(values)


@pytest.mark.parametrize(
    ("mechanism", "word"), [("PLAIN", "plaintext"), ("SCRAM-SHA-256", "scram_sha256"), ("SCRAM-SHA-512", "scram_sha512")]
)
def test_keda_hears_of_a_mechanism_by_its_own_word(mechanism, word):
    """What Kafka calls SCRAM-SHA-512 is scram_sha512 there."""
    kafka = {"security": "SASL_PLAINTEXT", "sasl_mechanism": mechanism, "username": "u"}
    objects = render({"scaling": {"mode": "lag", "kafka": {"passwordSecret": "p"}}, "settings": {"kafka": kafka}})
    assert one(objects, "ScaledObject")["spec"]["triggers"][0]["metadata"]["sasl"] == word


@pytest.mark.parametrize(("user", "grants"), [("nt-nanotriage", worker_grants), ("nanotriage-keda", scaler_grants)])
def test_the_users_rights_are_those_proven_on_a_broker(user, grants):
    """What `tests/broker/test_security.py` takes away one by one is what the KafkaUser asks for."""
    (source, *outcomes) = ("support.tickets", "support.dead", "support.escalated", "support.labelled")
    objects = render({"strimzi": {"enabled": True}, "scaling": {"mode": "lag"}})
    rows = one(objects, "KafkaUser", user)["spec"]["authorization"]["acls"]
    stated = {
        Grant(r["resource"]["type"], r["resource"]["name"], operation, r["resource"]["patternType"])
        for r in rows
        for operation in r["operations"]
    }
    proven = {worker_grants: (["support.tickets"], outcomes, "nanotriage"), scaler_grants: ([source], "nanotriage")}
    assert stated == set(grants(*proven[grants]))


def test_what_bench_prints_are_values_of_the_chart():
    """`nanotriage bench --pod` measures one worker; the chart makes the most workers of it."""
    measured = Measure(Point(16, 8), 2.0, 128, 128, 0, 20_000, 0, 5_600, ())  # 64 messages a second of 200 tokens
    values = {**chart_values(measured), "secrets": {"modelKey": {"name": "openai"}}}
    values["scaling"] |= {"mode": "lag", "tokensPerMinute": 2_000_000}
    objects = render(values)
    assert one(objects, "ScaledObject")["spec"]["maxReplicaCount"] == 3
    assert variables(objects)["NANOTRIAGE_BATCHING__MAX_ITEMS"] == "16"


def test_findings_are_kept_for_ever_in_one_partition_that_workers_read():
    """As `nanotriage topics apply` makes them; audit copies are written only."""
    task = TASK.replace("dead: shop.dead", "dead: shop.dead\n  audit: shop.audit\n  findings: shop.findings")
    objects = render({"strimzi": {"enabled": True}, "tasks": {"shipped": [], "files": {"shop.yaml": task}}})
    spec = one(objects, "KafkaTopic", "shop.findings")["spec"]
    assert (spec["partitions"], spec["config"]["retention.ms"]) == (1, -1)
    assert "retention.ms" not in one(objects, "KafkaTopic", "shop.audit")["spec"]["config"]
    rows = one(objects, "KafkaUser")["spec"]["authorization"]["acls"]
    stated = {row["resource"]["name"]: row["operations"] for row in rows}
    assert (stated["shop.audit"], stated["shop.findings"]) == (["Write"], ["Read", "Write"])


AUDITED = """\
name: audited
source: {topic: in, text: body}
routes: {labelled: out, escalated: more, dead: dead, audit: look, findings: said}
context: {topic: turns, ttl_hours: 24}
"""


def test_topics_beside_the_stream_are_made_and_granted():
    """Audits and summaries are written, conversations read; findings are kept for ever, in one order."""
    values = {"tasks": {"shipped": [], "files": {"a.yaml": AUDITED}}, "strimzi": {"enabled": True}}
    objects = render(values | {"settings": {"delivery": {"summary_topic": "sums"}}})
    made = {o["spec"]["topicName"]: o["spec"] for o in objects if o["kind"] == "KafkaTopic"}
    assert made.keys() == {"out", "more", "dead", "look", "said", "turns", "sums"}
    assert (made["said"]["partitions"], made["said"]["config"]["retention.ms"]) == (1, -1)
    assert made["turns"]["config"] == {"min.insync.replicas": 2, "cleanup.policy": "compact,delete", "retention.ms": 86_400_000}
    rows = one(objects, "KafkaUser")["spec"]["authorization"]["acls"]
    granted = {row["resource"]["name"]: row["operations"] for row in rows if row["resource"]["type"] == "topic"}
    assert {name for name, operations in granted.items() if operations == ["Read"]} == {"in", "turns"}
    assert {name for name, operations in granted.items() if operations == ["Write"]} == {"out", "more", "dead", "look", "sums"}
    assert list(LAYERS["custom"](objects)) == []


def test_controls_are_read_and_answered_by_workers_and_changed_by_operators():
    """Three topics of one partition, as `nanotriage topics apply` makes them; a worker can change none of what is wanted."""
    objects = render({"strimzi": {"enabled": True}, "settings": {"controls": {"topic": "ctl"}}})
    made = {o["spec"]["topicName"]: o["spec"] for o in objects if o["kind"] == "KafkaTopic"}
    for name, beside in beside_sources([], controls="ctl").items():
        assert made[name]["partitions"] == beside.partitions
        config = {key: str(value) for key, value in made[name]["config"].items() if key != "min.insync.replicas"}
        assert config == dict(beside.config)
    rows = one(objects, "KafkaUser")["spec"]["authorization"]["acls"]
    granted = {row["resource"]["name"]: row["operations"] for row in rows if row["resource"]["name"].startswith("ctl")}
    assert granted == {"ctl": ["Read"], "ctl.acks": ["Write"]}
    assert list(LAYERS["custom"](objects)) == []


def test_beside_the_workers_there_is_nothing_by_default():
    """Rollups and probes are asked for one by one; each has the key or the topic that it needs, and the worker has it too."""
    assert len([o for o in render() if o["kind"] == "Deployment"]) == 1
    asked = rendered("beside-values")
    rollups, probe = one(asked, "Deployment", "rollups"), one(asked, "Deployment", "probe")
    commands = [o["spec"]["template"]["spec"]["containers"][0]["args"] for o in (rollups, probe)]
    assert commands[0] == ["stateful", "rollups", "--folder=/tmp/stateful", "--season=week"]
    assert commands[1][2:] == ["--task=/etc/nanotriage/tasks/refunds.yaml", "--every=30", "--timeout=120"]
    keyed = [o["metadata"]["name"] for o in asked if o["kind"] == "Deployment" and "PROBE__MARK_KEY" in str(o)]
    assert len(keyed) == 3
    topics = {o["spec"]["topicName"]: o["spec"]["config"] for o in asked if o["kind"] == "KafkaTopic"}
    for name, beside in beside_sources([], "triage.sums").items():
        assert {key: str(value) for key, value in topics[name].items()}.items() >= beside.config.items()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"rollups": {"replicas": 1}}, "rollups need settings.delivery.summary_topic"),
        ({"prober": {"task": "support_tickets"}}, "needs prober.probes and prober.markKeySecret"),
        ({"rollups": {"flags": ["rm"]}}, "rollups"),
    ],
)
def test_half_of_what_runs_beside_is_refused(values, said):
    """With one sentence, before anything is installed."""
    with pytest.raises(ChartRefused, match=said):
        render(values)


def test_the_key_of_audits_is_a_variable_from_its_secret():
    """The one secret that is no file; nothing of it is in the Deployment."""
    worker = container(render({"audit": {"choiceKeySecret": "audits"}}))
    (found,) = [variable for variable in worker["env"] if "valueFrom" in variable]
    assert found["valueFrom"] == {"secretKeyRef": {"name": "audits", "key": "choice-key"}}
    assert found["name"] in {row.variable for row in describe() if row.secret}
