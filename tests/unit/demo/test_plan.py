"""What is sent and what the worker is told: topics of the run's own, no gold, no setting of another cluster, no secret."""

import tomllib

import pytest

from workers.demo import folder
from workers.demo.plan import BAD_RECORDS, on_topics_of_run, plan
from workers.demo.worker_process import health_port, last_words
from workers.demo.worker_settings import as_toml, environment, for_run, with_own_broker, with_own_model
from workers.exits import UserError
from workers.settings import load_settings
from workers.taskfiles import load_task, shipped_tasks

SHIPPED = [load_task(name) for name in shipped_tasks()]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_sample_and_all_bad_records_are_sent_once(count):
    """Bad records are dealt out among the tasks, in the midst of the messages, and change no message's order."""
    parts = plan(SHIPPED[:count], "abc", 40)
    assert [len(part.inputs) - part.bad for part in parts] == [40] * count
    values = [each.value for part in parts for each in part.inputs if each.message_id is None]
    assert sorted(values, key=repr) == sorted(BAD_RECORDS.values(), key=repr)
    for part, loaded in zip(parts, SHIPPED, strict=False):
        lines = loaded.sample_path.read_bytes().splitlines()[:40]
        assert [each.value for each in part.inputs if each.message_id is not None] == lines
        assert part.inputs[0].message_id is not None


def test_topics_are_of_the_run_and_the_rest_of_the_task_is_the_same():
    """Only topics change, so the prompt and its hash do not."""
    for loaded in SHIPPED:
        task = on_topics_of_run(loaded.task, "abc")
        topics = {task.source.topic, *task.routes.topics()}
        assert all(topic.endswith(".demo-abc") for topic in topics)
        assert len(topics) == 1 + len(loaded.task.routes.topics())
        rest = {"source", "routes"}
        assert task.model_dump(exclude=rest) == loaded.task.model_dump(exclude=rest)


@pytest.mark.parametrize("loaded", SHIPPED, ids=lambda loaded: loaded.task.name)
def test_a_written_task_is_the_same_task_without_gold(loaded, tmp_path):
    """The worker's copy loads as the task on the run's topics, with the examples; sample and gold are not beside it."""
    parts = plan([loaded], "abc", 5)
    (path,) = folder.write_tasks(tmp_path, parts)
    again = load_task(str(path))
    assert again.task == parts[0].task
    assert (again.gold_path, again.sample_path) == (None, None)
    assert again.examples_path.read_bytes() == loaded.examples_path.read_bytes()


def test_routes_by_label_get_the_suffix_too(tmp_path):
    """A task with a topic per label stays one."""
    words = SHIPPED[0].task.model_dump(mode="json", exclude_unset=True)
    first, second = list(words["fields"]["intent"]["labels"])[:2]
    words["routes"]["labelled"] = {"field": "intent", "topics": {first: "one", second: "two"}, "otherwise": "rest"}
    task = on_topics_of_run(type(SHIPPED[0].task).model_validate(words), "r")
    assert task.routes.labelled_topics() == {"one.demo-r", "two.demo-r", "rest.demo-r"}


def test_a_task_without_a_sample_is_refused(tmp_path):
    """One sentence that says what to add."""
    (path,) = folder.write_tasks(tmp_path, plan([SHIPPED[0]], "abc", 1))
    with pytest.raises(UserError, match=r"no sample\.jsonl"):
        plan([load_task(str(path))], "abc", None)


def test_one_run_at_a_time_has_the_folder(tmp_path):
    """A second demo in the same folder is refused, and the folder of a finished one is made anew."""
    with folder.made_anew(tmp_path) as files:
        (files / "left").write_text("x")
        with pytest.raises(UserError, match="another demo runs"), folder.made_anew(tmp_path):
            pass
    with folder.made_anew(tmp_path) as files:
        assert list(files.iterdir()) == []


@pytest.fixture
def user_settings(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NANOTRIAGE_MODEL__API_KEY", "correct-horse")
    flags = {
        "kafka.security": "SASL_SSL",
        "kafka.sasl_mechanism": "PLAIN",
        "kafka.username": 'user "quoted" \\ ü',
        "kafka.password_file": "secret.txt",
        "model.temperature": "off",
        "batching.max_items": 7,
    }
    return load_settings(flags)


def test_the_settings_file_says_the_same_and_holds_no_secret(user_settings, monkeypatch, tmp_path):
    """What the worker reads equals what the demo decided, but for the secret, which stays in its variable."""
    text = as_toml(for_run(user_settings, "abc"))
    assert "correct-horse" not in text
    path = tmp_path / "worker.toml"
    path.write_text(text)
    monkeypatch.delenv("NANOTRIAGE_MODEL__API_KEY")
    again = load_settings({}, path)
    assert again.kafka == user_settings.kafka.model_copy(update={"group": "nanotriage.demo-abc"})
    assert again.model == user_settings.model.model_copy(update={"api_key": None})
    assert again.batching == user_settings.batching
    assert again.delivery == user_settings.delivery
    assert tomllib.loads(text)["logs"]["format"] == "json"


def test_own_broker_and_model_take_nothing_of_the_users(user_settings):
    """Credentials of a user's cluster or endpoint never reach the embedded ones."""
    own = with_own_model(with_own_broker(user_settings, "127.0.0.1:1"), "http://127.0.0.1:2/v1", "local")
    assert (own.kafka.security, own.kafka.username, own.kafka.brokers) == ("PLAINTEXT", None, "127.0.0.1:1")
    assert (own.model.api_key, own.model.base_url, own.model.price()) == (None, "http://127.0.0.1:2/v1", None)
    assert own.batching.max_items == 7


@pytest.mark.parametrize(
    ("own_broker", "own_model", "kept"),
    [
        (True, True, set()),
        (False, True, {"NANOTRIAGE_KAFKA__PASSWORD"}),
        (True, False, {"NANOTRIAGE_MODEL__API_KEY", "OPENAI_API_KEY"}),
    ],
)
def test_the_worker_gets_only_the_secrets_meant_for_it(own_broker, own_model, kept):
    """Other settings stand in its file; a key for somebody else's endpoint is not handed on."""
    secrets = {"NANOTRIAGE_KAFKA__PASSWORD", "NANOTRIAGE_MODEL__API_KEY", "OPENAI_API_KEY"}
    variables = dict.fromkeys({*secrets, "NANOTRIAGE_KAFKA__GROUP", "OPENAI_BASE_URL", "PATH"}, "x")
    assert set(environment(variables, own_broker=own_broker, own_model=own_model)) == {"PATH", *kept}


def test_the_workers_log_is_understood():
    """The port is the one of the line `started`; of an error the user reads the sentence."""
    log = b'not json\n{"event":"lane","x":"\\"started\\""}\n{"event":"started","health_port":4711}\n'
    assert health_port(log) == 4711
    assert health_port(b"") is None
    assert last_words(b"noise\nerror: the key is refused\nmore noise\n") == "the key is refused"
    assert last_words(b"one\ntwo\n") == "two"
    assert last_words(b"") == "it said nothing"
