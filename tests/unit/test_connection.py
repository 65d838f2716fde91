"""Connections: what aiokafka is told, what a user is told, and what nobody is told."""

import ssl

import pytest

from topics.connection import Connection, Plaintext, Sasl, Secret, Tls, client_options
from topics.errors import LogRefused


def test_plaintext_names_every_broker():
    """The broker list is split at commas; blanks and empty parts do not count."""
    options = client_options(Connection("a:1, b:2,", Plaintext(), "me"))
    assert options == {"bootstrap_servers": ["a:1", "b:2"], "client_id": "me", "security_protocol": "PLAINTEXT"}


def test_no_broker_is_refused():
    """An empty broker list is a refusal that says what to give."""
    with pytest.raises(LogRefused, match="host:port"):
        client_options(Connection(" ,", Plaintext()))


def test_tls_checks_host_names():
    """TLS without files trusts the system's authorities and still checks the certificate and the name."""
    options = client_options(Connection("a:1", Tls()))
    assert options["security_protocol"] == "SSL"
    assert options["ssl_context"].check_hostname
    assert options["ssl_context"].verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize(("tls", "protocol"), [(None, "SASL_PLAINTEXT"), (Tls(), "SASL_SSL")])
def test_sasl(mechanism, tls, protocol):
    """User name, password and mechanism are passed on, with TLS or without."""
    options = client_options(Connection("a:1", Sasl(mechanism, "ann", Secret("pw"), tls)))
    assert options["security_protocol"] == protocol
    assert options["sasl_mechanism"] == mechanism
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("ann", "pw")
    assert ("ssl_context" in options) == (tls is not None)


def test_a_callable_password_is_asked_each_time():
    """A rotated password is used by the next client made."""
    passwords = iter(["old", "new"])
    connection = Connection("a:1", Sasl("PLAIN", "ann", lambda: next(passwords), None))
    assert [client_options(connection)["sasl_plain_password"] for _ in range(2)] == ["old", "new"]


def test_a_password_that_cannot_be_read_is_refused(tmp_path):
    """A missing secret file is one sentence, naming the user."""
    connection = Connection("a:1", Sasl("PLAIN", "ann", (tmp_path / "secret").read_text, None))
    with pytest.raises(LogRefused, match="password of ann cannot be read"):
        client_options(connection)


def test_a_secret_is_never_shown():
    """Neither the connection's text nor the secret's own shows the password."""
    connection = Connection("a:1", Sasl("PLAIN", "ann", Secret("hunter2"), None))
    assert "hunter2" not in f"{connection} {connection!r} {Secret('hunter2')}"
    assert Secret("hunter2").reveal() == "hunter2"
    assert Secret("a") == Secret("a") != Secret("b")


@pytest.mark.parametrize("name", ["ca_file", "cert_file", "key_file"])
def test_a_missing_file_is_refused_in_one_sentence(tmp_path, name):
    """The sentence names the file and what to do."""
    missing = tmp_path / "missing.pem"
    with pytest.raises(LogRefused, match=r"file .*missing\.pem does not exist: check the path"):
        client_options(Connection("a:1", Tls(**{name: missing})))


def test_files_that_are_not_certificates_are_refused(tmp_path):
    """Rubbish in place of a CA or a certificate is a refusal, not a traceback."""
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("not a certificate")
    with pytest.raises(LogRefused, match="CA file"):
        client_options(Connection("a:1", Tls(ca_file=rubbish)))
    with pytest.raises(LogRefused, match="cannot be used"):
        client_options(Connection("a:1", Tls(cert_file=rubbish)))
    with pytest.raises(LogRefused, match="without a certificate"):
        client_options(Connection("a:1", Tls(key_file=rubbish)))
