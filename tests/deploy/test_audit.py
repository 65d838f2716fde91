"""The audit of the locks: against a database on this machine it finds what is named there; against none it says so."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.deploy import audit

CONTROL = ("urllib3", "1.24.1")


@contextmanager
def database(known):
    """Serve OSV's query for these releases; give its address."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = asked["package"]["name"]
            ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}]
            affected = [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": ranges}]
            entry = {"id": f"PYSEC-0-{name}", "aliases": ["CVE-0"], "summary": "s", "affected": affected}
            body = json.dumps({"vulns": [entry]} if (name, asked["version"]) in known else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "lock.txt"
    path.write_text("alpha==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\nbeta==2.0 \\\n    --hash=sha256:" + "1" * 64 + "\n")
    return path


def test_a_vulnerable_pin_fails_and_is_named_with_its_remedy(lock, capsys):
    """By name, version, every id, and the release that mends it."""
    with database({CONTROL, ("beta", "2.0")}) as url:
        assert audit.main(["--osv-url", url], [lock]) == 1
    said = capsys.readouterr().out
    assert "lock.txt: 2 packages checked, 1 vulnerable" in said
    assert "beta 2.0 is vulnerable (CVE-0, PYSEC-0-beta); fixed in 99" in said


def test_a_lock_without_known_vulnerabilities_passes(lock, capsys):
    """All its packages were asked about."""
    with database({CONTROL}) as url:
        assert audit.main(["--osv-url", url], [lock]) == 0
    assert "lock.txt: 2 packages checked, 0 vulnerable\n" in capsys.readouterr().out


def test_a_database_that_knows_nothing_counts_as_none(lock, capsys):
    """Silence must not pass for safety: the check is skipped, and counted as skipped."""
    with database(set()) as url:
        assert audit.main(["--osv-url", url], [lock]) == 0
    assert "0 of 1 locks checked, 1 skipped: the vulnerability database here knows nothing of" in capsys.readouterr().out


def test_a_database_that_does_not_answer_counts_as_none(lock, capsys, unused_tcp_port):
    """In one sentence, without a traceback."""
    assert audit.main(["--osv-url", f"http://127.0.0.1:{unused_tcp_port}/"], [lock]) == 0
    said = capsys.readouterr().out
    assert "0 of 1 locks checked, 1 skipped: no vulnerability database answers" in said
    assert "Traceback" not in said
