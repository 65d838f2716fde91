"""A table of broken manifests, each found by the layer it names: what a layer does not find, it does not protect from."""

import copy

import pytest

from tests.deploy.chart import one, rendered
from tests.deploy.layers import LAYERS


def pod(objects):
    return one(objects, "Deployment")["spec"]["template"]["spec"]


def worker(objects):
    return pod(objects)["containers"][0]


def variable(objects, name, value):
    worker(objects)["env"].append({"name": name, "value": value})


def scaled(objects):
    return one(objects, "ScaledObject")["spec"]


def metadata(objects):
    return scaled(objects)["triggers"][0]["metadata"]


def put(where, **values):
    where.update(values)


BROKEN = [
    ("a field that no Deployment has", "kubernetes", lambda o: put(one(o, "Deployment")["spec"], replicaz=3)),
    ("a replica count in words", "kubernetes", lambda o: put(one(o, "PodDisruptionBudget")["spec"], maxUnavailable=[1])),
    ("a probe without a number", "kubernetes", lambda o: put(worker(o)["livenessProbe"], periodSeconds="often")),
    ("a policy of a misspelt kind", "kubernetes", lambda o: put(one(o, "NetworkPolicy")["spec"], policyType=["Egress"])),
    (
        "a kind from a group that is gone",
        "kubernetes",
        lambda o: put(one(o, "PodDisruptionBudget"), apiVersion="policy/v1beta1"),
    ),
    ("a field that no ScaledObject has", "custom", lambda o: put(scaled(o), cooldownPeriods=3)),
    ("trigger metadata that is a number", "custom", lambda o: put(metadata(o), lagThreshold=5)),
    (
        "a field that no PodMonitor has",
        "custom",
        lambda o: put(one(o, "PodMonitor")["spec"]["podMetricsEndpoints"][0], intervall="5s"),
    ),
    (
        "a duration in words",
        "custom",
        lambda o: put(one(o, "PrometheusRule")["spec"]["groups"][1]["rules"][0], **{"for": "5 minutes"}),
    ),
    ("a topic without partitions", "custom", lambda o: put(one(o, "KafkaTopic", "support.dead")["spec"], partitions=0)),
    (
        "an operation that Kafka has not",
        "custom",
        lambda o: put(one(o, "KafkaUser", "keda")["spec"]["authorization"]["acls"][0], operations=["Reed"]),
    ),
    (
        "a Strimzi version that is gone",
        "custom",
        lambda o: put(one(o, "KafkaUser", "keda"), apiVersion="kafka.strimzi.io/v1beta2"),
    ),
    ("a misspelt threshold, which KEDA ignores", "triggers", lambda o: put(metadata(o), lagThresold="5")),
    ("a threshold below nothing", "triggers", lambda o: put(metadata(o), lagThreshold="-5")),
    ("a trigger that KEDA has not", "triggers", lambda o: put(scaled(o)["triggers"][0], type="kafkaa")),
    ("two options that exclude each other", "triggers", lambda o: put(metadata(o), limitToPartitionsWithLag="true")),
    ("least above most", "triggers", lambda o: put(scaled(o), minReplicaCount=99)),
    ("a second owner of the Deployment", "triggers", lambda o: o.append(copy.deepcopy(one(o, "ScaledObject")))),
    ("a target that is not there", "triggers", lambda o: put(scaled(o)["scaleTargetRef"], name="other")),
    ("replicas beside KEDA", "triggers", lambda o: put(one(o, "Deployment")["spec"], replicas=3)),
    (
        "a formula of an unknown trigger",
        "triggers",
        lambda o: put(scaled(o)["advanced"]["scalingModifiers"], formula="lag / 60"),
    ),
    ("a formula that stands still without Prometheus", "triggers", lambda o: scaled(o).pop("fallback")),
    ("a selector of other pods", "links", lambda o: put(one(o, "Deployment")["spec"], selector={"matchLabels": {"a": "b"}})),
    (
        "a budget of other pods",
        "links",
        lambda o: put(one(o, "PodDisruptionBudget")["spec"], selector={"matchLabels": {"a": "b"}}),
    ),
    ("a monitor of other pods", "links", lambda o: put(one(o, "PodMonitor")["spec"], selector={"matchLabels": {"a": "b"}})),
    ("a mount without volume", "links", lambda o: pod(o).pop("volumes")),
    ("a probe of a port that is none", "links", lambda o: put(worker(o)["livenessProbe"]["httpGet"], port="metrics")),
    ("a probe of a path that is none", "links", lambda o: put(worker(o)["readinessProbe"]["httpGet"], path="/healthz")),
    ("a worker restarted for the model's outage", "links", lambda o: put(worker(o)["livenessProbe"]["httpGet"], path="/ready")),
    ("no readiness", "links", lambda o: worker(o).pop("readinessProbe")),
    ("a limit below the request", "links", lambda o: worker(o)["resources"]["limits"].update(memory="1Mi")),
    ("a drain that waits for ever", "links", lambda o: put(one(o, "PodDisruptionBudget")["spec"], minAvailable=1)),
    ("an account that is not there", "links", lambda o: put(pod(o), serviceAccountName="other")),
    ("root", "restricted", lambda o: pod(o)["securityContext"].update(runAsNonRoot=False)),
    ("a writable root", "restricted", lambda o: worker(o)["securityContext"].pop("readOnlyRootFilesystem")),
    (
        "a capability",
        "restricted",
        lambda o: worker(o)["securityContext"].update(capabilities={"drop": ["ALL"], "add": ["NET_RAW"]}),
    ),
    ("a folder of the node", "restricted", lambda o: pod(o)["volumes"].append({"name": "x", "hostPath": {"path": "/"}})),
    ("no seccomp profile", "restricted", lambda o: pod(o)["securityContext"].pop("seccompProfile")),
    ("a token of the API server", "restricted", lambda o: put(pod(o), automountServiceAccountToken=True)),
    ("a setting that the worker has not", "product", lambda o: variable(o, "NANOTRIAGE_KAFKA__GRUP", "a")),
    ("a setting of the wrong kind", "product", lambda o: variable(o, "NANOTRIAGE_BATCHING__MAX_ITEMS", "1e+06")),
    ("a password without security", "product", lambda o: variable(o, "NANOTRIAGE_KAFKA__SECURITY", "PLAINTEXT")),
    ("static members in a scaled Deployment", "product", lambda o: variable(o, "NANOTRIAGE_KAFKA__GROUP_INSTANCE_ID", "a")),
    ("a grace that kills", "product", lambda o: put(pod(o), terminationGracePeriodSeconds=30)),
    ("a stop that gives a call up", "product", lambda o: variable(o, "NANOTRIAGE_STOP_SECONDS", "5")),
    ("KEDA looking at another group", "product", lambda o: put(metadata(o), consumerGroup="other")),
    ("a query that is none", "rules", lambda o: put(one(o, "PrometheusRule")["spec"]["groups"][1]["rules"][0], expr="sum((")),
    (
        "an annotation that does not render",
        "rules",
        lambda o: put(one(o, "PrometheusRule")["spec"]["groups"][1]["rules"][0], annotations={"summary": "{{ $nothing }}"}),
    ),
]


@pytest.mark.parametrize(("layer", "damage"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_it_is_found_by_the_layer_it_names(layer, damage):
    """And by that layer only when it is broken: the same objects please it before."""
    objects = copy.deepcopy(list(rendered("full-values")))
    assert list(LAYERS[layer](objects)) == []
    damage(objects)
    assert list(LAYERS[layer](objects)) != []
