"""What an error of aiokafka means to us: who must act, said in one sentence."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import errors
from aiokafka.conn import collect_hosts, create_conn

from topics.connection import Connection, client_options
from topics.errors import LogError, LogRefused, LogUnavailable, WriterFenced, WriterLost

PROBE_SECONDS = 5.0

_REFUSALS: Mapping[type[BaseException], str] = {
    errors.SaslAuthenticationFailed: "the broker refuses the user name or password: check the credentials",
    errors.AuthenticationFailedError: "the broker refuses the credentials: check them",
    errors.UnsupportedSaslMechanismError: "the broker does not offer this SASL mechanism: choose one it offers",
    errors.IllegalSaslStateError: "the broker does not expect SASL on this port: check the port and the security setting",
    errors.TopicAuthorizationFailedError: "access to a topic is denied: grant READ on inputs and WRITE on outputs",
    errors.GroupAuthorizationFailedError: "access to the consumer group is denied: grant READ on the group",
    errors.ClusterAuthorizationFailedError: "the cluster denies the operation: grant it to this user",
    errors.TransactionalIdAuthorizationFailed: "the transactional id is denied: grant WRITE and DESCRIBE on its prefix",
    errors.InvalidTransactionTimeout: "the transaction timeout is above the broker's transaction.max.timeout.ms: lower it",
    errors.InvalidSessionTimeoutError: "the session timeout is outside what the broker allows: change it",
    errors.InconsistentGroupProtocolError: "the group has members with another assignor: choose another group id",
    errors.InvalidGroupIdError: "the group id is not valid: choose another",
    errors.InvalidTopicError: "the topic's name is not valid: use letters, digits, dot, underscore and hyphen",
    errors.IncompatibleBrokerVersion: "the broker is too old: use Kafka 2.5 or later",
    errors.UnsupportedVersionError: "the broker is too old: use Kafka 2.5 or later",
    NotImplementedError: "the broker is too old: use Kafka 2.5 or later",
    ssl.SSLCertVerificationError: "the broker's certificate is not trusted: check the CA file and the host name",
    ssl.SSLError: "TLS with the broker fails: check that the port speaks TLS and wants the certificate you gave",
}

_FENCED = (errors.ProducerFenced, errors.InvalidProducerEpoch)
TOO_LARGE = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)


def refusal(error: BaseException) -> LogRefused | None:
    """Return the refusal if only an operator can change what this error says, else None."""
    for kind, sentence in _REFUSALS.items():
        if isinstance(error, kind):
            detail = ", ".join(str(part) for part in error.args if part)
            return LogRefused(f"{sentence} ({detail})" if detail else sentence)
    return None


def log_error(error: BaseException, doing: str) -> LogError:
    """Return what to raise when `doing` failed with this error."""
    return refusal(error) or LogUnavailable(f"{doing} failed: {error!r}")


@asynccontextmanager
async def log_errors(doing: str, connection: Connection, seconds: float | None = None) -> AsyncIterator[None]:
    """Raise a LogError for what aiokafka raises within, and LogUnavailable when it takes more than `seconds`."""
    try:
        async with asyncio.timeout(seconds) as bound:
            yield
    except TimeoutError as error:
        if not bound.expired():
            raise
        raise LogUnavailable(f"{doing} took more than {seconds:.0f} seconds") from error
    except errors.KafkaConnectionError as error:
        raise await why_unreachable(connection) from error
    except errors.KafkaError as error:
        raise log_error(error, doing) from error


def writer_error(error: BaseException) -> WriterFenced | WriterLost:
    """Return what to raise when a transaction failed with this error."""
    if isinstance(error, _FENCED):
        return WriterFenced("another writer with this transactional id has taken over")
    return WriterLost(f"the transaction's fate is unknown: {error!r}")


async def why_unreachable(connection: Connection) -> LogError:
    """Return why bootstrapping fails. aiokafka's client logs the cause and drops it, so each broker is asked once more."""
    options = client_options(connection)
    causes: list[str] = []
    for host, port, _ in collect_hosts(options.pop("bootstrap_servers")):
        cause = await _try_connecting(host, port, options)
        if cause is not None and (refused := refusal(cause)) is not None:
            return refused
        causes.append(f"{host}:{port}: {cause if cause is not None else 'no metadata'}")
    return LogUnavailable(f"no broker can be reached ({'; '.join(causes)})")


async def _try_connecting(host: str, port: int, options: Mapping[str, Any]) -> BaseException | None:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            probe = await create_conn(host, port, request_timeout_ms=int(PROBE_SECONDS * 1000), **options)
    except errors.KafkaConnectionError as error:
        # A connection closed while authenticating carries the broker's answer as its cause.
        cause: BaseException = error.__cause__ or error
        return cause
    except (OSError, errors.KafkaError) as error:
        return error
    await probe.close()
    return None
