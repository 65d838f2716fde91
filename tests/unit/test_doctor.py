"""The doctor: each check finds the fault it is for, and says what to do next."""

import socket
from dataclasses import replace

import pytest
from aiohttp import web

from schemas.context import ContextRule
from schemas.promise import Promise
from tests.calibrations import calibration_of
from tests.fakes.scripted_model import ScriptedModel
from topics.errors import LogRefused, LogUnavailable
from topics.record import Partition
from workers.asking.model import Barred
from workers.calibrationfiles import calibration_path, write_calibration
from workers.commands.doctor_checks import (
    Check,
    check_broker,
    check_calibration,
    check_health,
    check_model,
    check_python,
)
from workers.commands.doctor_route import check_route
from workers.settings import HealthSettings, ModelSettings, Settings
from workers.taskfiles import load_task, shipped_tasks

SECRET = "correct-horse-battery"


class FakeWriter:
    def __init__(self, refusal: Exception | None) -> None:
        self.refusal, self.discarded = refusal, False

    async def open(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    def discard(self) -> None:
        self.discarded = True


class FakeLog:
    """The part of a log the doctor asks: a cluster with these topics."""

    def __init__(
        self, topics: dict[str, int], *, down: bool = False, refusal: Exception | None = None, level: int = 27
    ) -> None:
        self.topics, self.down, self.made, self.level = topics, down, FakeWriter(refusal), level

    async def cluster_id(self) -> str:
        if self.down:
            raise LogUnavailable("no broker can be reached")
        return "abc"

    async def metadata_version(self) -> int | None:
        return self.level

    async def partitions(self, topic: str) -> list[Partition]:
        return [Partition(topic, number) for number in range(self.topics.get(topic, 0))]

    def writer(self, transactional_id: str, group: str) -> FakeWriter:
        assert transactional_id == f"nanotriage.{group}.doctor"
        return self.made


def verdicts(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.verdict for check in checks}


@pytest.fixture
def task():
    return load_task(shipped_tasks()[0]).task


async def test_a_healthy_cluster_is_all_ok_and_its_writer_let_go(task) -> None:
    """Nothing is left open."""
    log = FakeLog(dict.fromkeys((task.source.topic, *task.routes.topics()), 3))
    checks = await check_broker(log, Settings(), {"mine.yaml": task})
    assert {check.verdict for check in checks} == {"ok"}
    assert log.made.discarded
    assert {check.name: check.found for check in checks}["broker release"] == "Kafka 4.1, by metadata.version 27"


@pytest.mark.parametrize(
    ("level", "release", "verdict"), [(29, "4.2", "ok"), (30, "4.3", "warn"), (33, "4.4", "warn"), (34, "4.5", "ok")]
)
async def test_releases_that_can_hide_commits_are_warned_of(task, level: int, release: str, verdict: str) -> None:
    """KAFKA-20734 is in Kafka 4.3.0 to 4.4.0."""
    checks = await check_broker(FakeLog({}, level=level), Settings(), {"mine.yaml": task})
    (check,) = (check for check in checks if check.name == "broker release")
    assert check.verdict == verdict
    assert check.found.startswith(f"Kafka {release}")
    assert bool(check.next) == (verdict == "warn")


async def test_a_missing_topic_fails_with_the_command_that_makes_it(task) -> None:
    """The source is made only on request."""
    checks = await check_broker(FakeLog({}), Settings(), {"mine.yaml": task})
    advice = {check.name: check.next for check in checks if check.verdict == "fail"}
    assert advice.pop(f"topic {task.source.topic}") == "nanotriage topics apply --task mine.yaml --create-source"
    assert set(advice.values()) == {"nanotriage topics apply --task mine.yaml"}


async def test_the_topics_of_contexts_summaries_and_controls_are_looked_at() -> None:
    """Workers and applications refuse to start without them."""
    task = load_task("support_tickets").task.model_copy(update={"context": ContextRule(topic="said")})
    delivery = {"mode": "exactly_once", "summary_topic": "sums"}
    settings = Settings.model_validate({"delivery": delivery, "controls": {"topic": "ctl"}})
    checks = await check_broker(FakeLog({}), settings, {"support_tickets": task})
    failed = {check.name for check in checks if check.verdict == "fail"}
    assert {"topic said", "topic said.forget", "topic sums", "topic ctl", "topic ctl.acks"} <= failed


async def test_without_a_broker_only_the_broker_fails() -> None:
    """What cannot be asked is not guessed."""
    assert verdicts(await check_broker(FakeLog({}, down=True), Settings(), {})) == {"broker": "fail"}


async def test_a_denied_transaction_fails_with_the_grant_it_needs() -> None:
    """Exactly once needs the right to transactional ids."""
    log = FakeLog({}, refusal=LogRefused("the transactional id is denied"))
    (_, _, denied) = await check_broker(log, Settings(), {})
    assert (denied.verdict, denied.next) == (
        "fail",
        "grant WRITE and DESCRIBE on transactional ids that begin with nanotriage.",
    )


@pytest.fixture
async def endpoint():
    """An endpoint that lists one model to those who know the key."""

    async def models(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            return web.json_response({"error": "no"}, status=401)
        ended = {"id": "ended", "shutdown_date": "2020-01-31"}
        return web.json_response({"data": [{"id": "mine", "shutdown_date": None}, ended]})

    app = web.Application()
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize(
    ("path", "settings", "expected"),
    [
        (
            "/v1",
            {"api_key": SECRET, "name": "mine"},
            {"model endpoint": "ok", "model key": "ok", "model": "ok", "model room": "ok", "model price": "warn"},
        ),
        (
            "/v1",
            {"api_key": SECRET, "name": "ended"},
            {
                "model endpoint": "ok",
                "model key": "ok",
                "model": "ok",
                "model room": "ok",
                "model shutdown": "warn",
                "model price": "warn",
            },
        ),
        (
            "/v1",
            {"api_key": SECRET},
            {"model endpoint": "ok", "model key": "ok", "model": "warn", "model room": "ok", "model price": "warn"},
        ),
        ("/v1", {"api_key": "wrong"}, {"model endpoint": "ok", "model key": "fail"}),
        ("/v1", {}, {"model endpoint": "ok", "model key": "fail"}),
        ("/v2", {"api_key": SECRET}, {"model endpoint": "warn"}),
    ],
)
async def test_the_endpoint_the_key_and_the_model_are_told_apart(path, settings, expected, endpoint, monkeypatch) -> None:
    """Each has another remedy; the key is never shown."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    checks = await check_model(ModelSettings(base_url=endpoint + path, **settings))
    assert verdicts(checks) == expected
    assert SECRET not in str(checks)


async def test_what_one_call_may_hold_is_told(endpoint) -> None:
    """As set before as known; batches are cut to it."""
    for settings, found in (
        ({"name": "gpt-5-nano"}, "400,000 tokens in one call, 128,000 of them in an answer"),
        ({"name": "mine", "context_tokens": 2048}, "2,048 tokens in one call"),
    ):
        rows = await check_model(ModelSettings(base_url=f"{endpoint}/v1", api_key=SECRET, **settings))
        assert {check.name: check.found for check in rows}["model room"] == found


async def test_what_the_route_can_do_is_a_row_each() -> None:
    """A lack that costs something is a warning, with what is done instead; decision routes are looked for, too."""
    rows = {check.name: check for check in await check_route(ScriptedModel(), ModelSettings(name="nano"))}
    assert rows["model route"].found == "nano answers, labels are judged by band"
    assert (rows["model json_schema"].verdict, rows["model logprobs"].verdict) == ("ok", "warn")
    assert (rows["model decisions"].verdict, rows["model systemone"].found[:3]) == ("ok", "no:")


async def test_a_route_that_cannot_be_asked_fails() -> None:
    """With the provider's sentence."""
    model = ScriptedModel()
    model.always = lambda _: Barred("the provider says that the quota is spent")
    (check,) = await check_route(model, ModelSettings(name="nano"))
    assert (check.verdict, check.found) == ("fail", "the provider says that the quota is spent")


async def test_an_endpoint_that_is_down_fails() -> None:
    """With the command that starts one here."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (check,) = await check_model(ModelSettings(base_url=f"http://127.0.0.1:{port}/v1"))
    assert check.verdict == "fail"
    assert "nanotriage model up" in check.next


async def test_openai_without_a_key_is_not_even_asked(monkeypatch) -> None:
    """No call leaves the machine to learn what is known."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert verdicts(await check_model(ModelSettings())) == {"model key": "fail"}


def test_the_calibration_of_a_promise_is_looked_at(tmp_path) -> None:
    """Missing, of another model, of no use, and sound; a task without a promise has none."""
    plain = load_task("banking_support")
    loaded = replace(plain, task=plain.task.model_copy(update={"promise": Promise(error=0.05), "thresholds": None}))
    settings = Settings(calibration_folder=tmp_path, model=ModelSettings(name="nano"))
    path = calibration_path(loaded, tmp_path)
    assert list(check_calibration(plain, settings)) == []
    (missing,) = check_calibration(loaded, settings)
    assert (missing.verdict, missing.next.startswith("nanotriage calibrate")) == ("fail", True)
    for made, verdict in (
        (calibration_of(loaded.task, model="mini"), "fail"),
        (calibration_of(loaded.task, {"*": None}), "warn"),
        (calibration_of(loaded.task), "ok"),
    ):
        write_calibration(made, path)
        assert [check.verdict for check in check_calibration(loaded, settings)] == [verdict]


def test_a_taken_health_port_fails_and_a_free_one_or_none_is_ok() -> None:
    """Before the worker finds out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert check_health(HealthSettings(port=taken.getsockname()[1])).verdict == "fail"
    assert check_health(HealthSettings(port=0)).verdict == "ok"
    assert check_health(HealthSettings(port="off")).verdict == "ok"


def test_this_very_installation_is_sound() -> None:
    """Assertions on, packages side by side."""
    assert {check.verdict for check in check_python()} == {"ok"}
