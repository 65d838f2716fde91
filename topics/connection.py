"""How to reach a cluster: brokers, security, and the options aiokafka's constructors take for them."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, assert_never

from topics.errors import LogRefused
from topics.tls import FreshContext

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class Secret:
    """A text that neither `repr`, `str` nor a log line shows. Only `reveal` gives it out."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class Plaintext:
    """Neither encrypted nor authenticated: for one machine, or a network that does both."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Encrypted; authenticated by certificate when `cert_file` is given (`key_file` may be inside it).

    Without `ca_file` the system's authorities are trusted. Host names are always checked. Files that are replaced are read
    again before the next connection (`topics.tls`).
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Sasl:
    """Authenticated by user name and password, encrypted when `tls` is given.

    A callable password is asked for again, so a rotated one needs no restart: for each client, and for each connection of
    those that live long (`topics.kafka.fresh`).
    """

    mechanism: Mechanism
    username: str
    password: Secret | Callable[[], str]
    tls: Tls | None


Security = Plaintext | Tls | Sasl


@dataclass(frozen=True, slots=True)
class Connection:
    """`brokers` is a comma-separated list of host:port; `client_id` names us in the broker's logs and quotas."""

    brokers: str
    security: Security = Plaintext()
    client_id: str = "nanotriage"


def client_options(connection: Connection) -> dict[str, Any]:
    """Return the keyword arguments every aiokafka client takes for this connection.

    Reads the files and asks for the password anew at each call. Raises LogRefused, with one sentence, for a file that
    is missing or is not what it should be.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": [broker.strip() for broker in connection.brokers.split(",") if broker.strip()],
        "client_id": connection.client_id,
    }
    if not options["bootstrap_servers"]:
        raise LogRefused("no broker is named: give a comma-separated list of host:port")
    match connection.security:
        case Plaintext():
            options["security_protocol"] = "PLAINTEXT"
        case Tls() as tls:
            options |= {"security_protocol": "SSL", "ssl_context": _ssl_context(tls)}
        case Sasl() as sasl:
            options |= _sasl_options(sasl)
        case unsaid:
            assert_never(unsaid)
    return options


def _sasl_options(sasl: Sasl) -> dict[str, Any]:
    options: dict[str, Any] = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": sasl.mechanism,
        "sasl_plain_username": sasl.username,
        "sasl_plain_password": _password(sasl),
    }
    if sasl.tls is not None:
        options |= {"security_protocol": "SASL_SSL", "ssl_context": _ssl_context(sasl.tls)}
    return options


def _password(sasl: Sasl) -> str:
    if isinstance(sasl.password, Secret):
        return sasl.password.reveal()
    try:
        return sasl.password()
    except OSError as error:
        raise LogRefused(f"the password of {sasl.username} cannot be read: {error}") from error


def _ssl_context(tls: Tls) -> ssl.SSLContext:
    for what, file in (("CA file", tls.ca_file), ("certificate file", tls.cert_file), ("key file", tls.key_file)):
        if file is not None and not file.is_file():
            raise LogRefused(f"the {what} {file} does not exist: check the path or mount the file")
    if tls.key_file is not None and tls.cert_file is None:
        raise LogRefused(f"the key file {tls.key_file} is given without a certificate file: give both, or neither")
    context, authorities = FreshContext(), tls.ca_file
    if authorities is None:
        context.load_default_certs()
    else:
        try:
            context.load([authorities], lambda to: to.load_verify_locations(authorities))
        except OSError as error:  # ssl.SSLError is one
            raise LogRefused(f"the CA file {authorities} cannot be used: {error}") from error
    certificate, key = tls.cert_file, tls.key_file
    if certificate is not None:
        try:
            # An encrypted key is refused here; without a password argument OpenSSL would ask on the terminal.
            files = [certificate] if key is None else [certificate, key]
            context.load(files, lambda to: to.load_cert_chain(certificate, key, password=""))
        except OSError as error:
            raise LogRefused(f"the certificate {certificate} and its key cannot be used: {error}") from error
    return context
