"""The server as a process of its own, and the command that starts and stops it. The control labeller needs no model."""

import http.client
import os
import signal
import socket

import orjson
import pytest

from tests.helpers import wait_until
from workers.cli import main
from workers.exits import Exit, UserError
from workers.modelserver.local_model import LocalModel, answers
from workers.modelserver.options import Kind, ModelOptions, command, read_options


def options(tmp_path, **more):
    return ModelOptions(Kind.RANDOM, data=tmp_path, **more)


def test_it_serves_for_as_long_as_the_block(tmp_path):
    """It answers inside the block and is gone behind it."""
    with LocalModel(options(tmp_path)) as model:
        process = model.process
        assert answers(model.host, model.port, Kind.RANDOM)
        assert model.base_url == f"http://127.0.0.1:{model.port}/v1"
    assert not process.alive()
    assert not answers(model.host, model.port, Kind.RANDOM)


def test_it_comes_back_on_the_same_port(tmp_path):
    """A server that was killed is started again at the address its clients know."""
    model = LocalModel(options(tmp_path))
    try:
        model.start()
        url, first = model.base_url, model.process
        model.kill()
        assert not first.alive()
        model.start()
        assert model.base_url == url
        assert model.process != first
    finally:
        model.stop()


def test_a_start_that_fails_says_why(tmp_path):
    """A server that cannot start ends the wait at once, with what it said; nothing is left running."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        model = LocalModel(options(tmp_path, port=taken.getsockname()[1]))
        with pytest.raises(UserError, match="choose another port"):
            model.start()
    assert model.process is None


def test_a_key_file_is_asked_for_its_key(tmp_path):
    """The key in the file, without the line's end, is what clients must send."""
    key_file = tmp_path / "key"
    key_file.write_text("s3cret\n")
    with LocalModel(options(tmp_path, api_key_file=key_file)) as model:
        statuses = []
        for key in ("wrong", "s3cret"):
            connection = http.client.HTTPConnection(model.host, model.port, timeout=10)
            connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
            statuses.append(connection.getresponse().status)
            connection.close()
    assert statuses == [401, 200]


def test_options_survive_the_command_line(tmp_path):
    """What a process is started with is what it reads."""
    given = ModelOptions(Kind.CLASSIFIER, ("a", "./b c"), tmp_path, "127.0.0.1", 4711, 7, tmp_path / "key")
    assert read_options(command(given)[3:]) == given


def test_up_status_down(tmp_path, capsys):
    """A detached server outlives its command, says where it is, is not started twice, and can be stopped."""
    data = ["--data", str(tmp_path), "--json"]
    try:
        assert main(["model", "up", "--labeller", "random", *data]) == Exit.OK
        started = orjson.loads(capsys.readouterr().out)
        assert main(["model", "status", *data]) == Exit.OK
        assert orjson.loads(capsys.readouterr().out) == started
        assert main(["model", "up", "--labeller", "random", *data]) == Exit.USAGE
        assert started["base_url"] in orjson.loads(capsys.readouterr().err)["error"]
    finally:
        assert main(["model", "down", *data]) == Exit.OK
    assert orjson.loads(capsys.readouterr().out) == {"ran": True}
    wait_until(lambda: not answers("127.0.0.1", started["port"], Kind.RANDOM))
    assert main(["model", "status", *data]) == Exit.FAILED
    assert main(["model", "down", *data]) == Exit.OK


def test_a_server_that_died_is_not_taken_for_running(tmp_path, capsys):
    """After a kill -9 of the server, status says that it does not run, and a new one can be started."""
    data = ["--data", str(tmp_path), "--json"]
    try:
        assert main(["model", "up", "--labeller", "random", *data]) == Exit.OK
        started = orjson.loads(capsys.readouterr().out)
        os.kill(started["process"], signal.SIGKILL)
        wait_until(lambda: not answers("127.0.0.1", started["port"], Kind.RANDOM))
        assert main(["model", "status", *data]) == Exit.FAILED
        assert main(["model", "up", "--labeller", "random", *data]) == Exit.OK
    finally:
        main(["model", "down", *data])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["up", "--task", "no_such_task"], "no such task"),
        (["up", "--llm", "--labeller", "random"], "leave out"),
        (["up", "--llm", "--task", "support_tickets"], "leave out"),
        (["up", "--labeller", "oracle"], "oracle"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, capsys, arguments, says):
    """A wrong option is refused with one sentence before anything is started."""
    assert main(["model", *arguments, "--data", str(tmp_path)]) == Exit.USAGE
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())
