"""A real Kafka whose door asks who comes: SCRAM over TLS, or certificates; and rights given and taken one by one.

The plain listener stays open for the tests themselves: who comes there is a super user.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import trustme
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest
from cryptography.hazmat.primitives import serialization

from topics.embedded import EmbeddedKafka
from topics.embedded.configuration import Door, Hardening
from topics.embedded.ports import free_ports

Kind = Literal["scram", "certificate"]
RESOURCES = {"topic": 2, "group": 3, "transactionalId": 5}
PATTERNS = {"literal": 3, "prefix": 4}
OPERATIONS = {"Read": 3, "Write": 4, "Describe": 8}
ALLOW = 3


@dataclass(frozen=True, slots=True)
class Grant:
    """One right, in the words of Strimzi's KafkaUser."""

    resource: str
    name: str
    operation: str
    pattern: str = "literal"


def worker_grants(
    sources: Iterable[str], outcomes: Iterable[str], group: str, app: str = "nanotriage", controls: str | None = None
) -> list[Grant]:
    """Return what a worker may do, and nothing that it could do without: what SECURITY.md and the chart say."""
    return [
        *(Grant("topic", name, "Read") for name in sources),
        *(Grant("topic", name, "Write") for name in outcomes),
        Grant("group", group, "Read"),
        Grant("transactionalId", f"{app}.{group}.", "Write", "prefix"),
        *([] if controls is None else [Grant("topic", controls, "Read"), Grant("topic", f"{controls}.acks", "Write")]),
    ]


def scaler_grants(sources: Iterable[str], group: str) -> list[Grant]:
    """Return what KEDA may do: see how far the group is."""
    return [*(Grant("topic", name, "Describe") for name in sources), Grant("group", group, "Describe")]


@dataclass(frozen=True, slots=True)
class Identity:
    """A client's proofs: settings of the product, and the principal that the broker takes it for."""

    principal: str
    settings: dict[str, object]


class SecuredKafka:
    """One broker with a door of this kind, and identities to knock with."""

    def __init__(self, root: Path, kind: Kind, users: Iterable[str]) -> None:
        self.folder, self.kind = root, kind
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(root / "ca.pem")
        self._passwords = {name: f"password-of-{name}" for name in users}
        protocol = "SASL_SSL" if kind == "scram" else "SSL"
        (port,) = free_ports(1, seed=hash(kind) & 0xFFFF)
        self._door = port
        settings = {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/CN=$1/",
            "listener.name.door.ssl.keystore.type": "PEM",
            "listener.name.door.ssl.keystore.location": str(self._keystore("broker", "127.0.0.1")),
            "listener.name.door.ssl.truststore.type": "PEM",
            "listener.name.door.ssl.truststore.location": str(root / "ca.pem"),
            "listener.name.door.ssl.client.auth": "required" if kind == "certificate" else "none",
            "listener.name.door.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
        }
        hardening = Hardening(protocol, settings, self._passwords if kind == "scram" else {})
        self.cluster = EmbeddedKafka(root, name=kind, doors={1: Door(port, port)}, hardening=hardening)

    @property
    def door(self) -> str:
        return f"127.0.0.1:{self._door}"

    def identity(self, name: str) -> Identity:
        """Return how this user comes in."""
        shared: dict[str, object] = {"kafka__brokers": self.door, "kafka__ca_file": self.folder / "ca.pem"}
        if self.kind == "scram":
            secret = self.folder / f"{name}.password"
            secret.write_text(f"{self._passwords[name]}\n")
            return Identity(
                f"User:{name}",
                shared
                | {
                    "kafka__security": "SASL_SSL",
                    "kafka__sasl_mechanism": "SCRAM-SHA-512",
                    "kafka__username": name,
                    "kafka__password_file": secret,
                },
            )
        proof = self._keystore(name, f"{name}.local", common_name=name)
        return Identity(
            f"User:CN={name}", shared | {"kafka__security": "SSL", "kafka__cert_file": proof, "kafka__key_file": proof}
        )

    def stranger(self) -> Identity:
        """Return somebody whose certificate another authority signed, or whose password is wrong."""
        name = next(iter(self._passwords))
        known = self.identity(name)
        if self.kind == "scram":
            wrong = self.folder / "wrong.password"
            wrong.write_text("not it\n")
            return Identity(known.principal, known.settings | {"kafka__password_file": wrong})
        forged = self._keystore("forged", "forged.local", trustme.CA(), common_name=name)
        return Identity(known.principal, known.settings | {"kafka__cert_file": forged, "kafka__key_file": forged})

    def _keystore(self, name: str, host: str, authority: trustme.CA | None = None, **subject: str) -> Path:
        """Write a private key and its certificate into one file, as Kafka's PEM stores and OpenSSL take them."""
        issued = (authority or self._authority).issue_cert(host, **subject)
        key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
        plain = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path = self.folder / f"{name}.pem"
        path.write_bytes(plain + b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        return path


@contextmanager
def secured_kafka(root: Path, kind: Kind, users: Iterable[str]) -> Iterator[SecuredKafka]:
    kafka = SecuredKafka(root, kind, users)
    kafka.cluster.start()
    try:
        yield kafka
    finally:
        kafka.cluster.destroy()


async def allow(kafka: SecuredKafka, who: Identity, grants: Iterable[Grant]) -> None:
    """Give the rights; they hold when this returns."""
    await _change(kafka, CreateAclsRequest, who, grants)


async def forbid(kafka: SecuredKafka, who: Identity, grants: Iterable[Grant]) -> None:
    """Take the rights away."""
    await _change(kafka, DeleteAclsRequest, who, grants)


async def _change(kafka: SecuredKafka, request: type, who: Identity, grants: Iterable[Grant]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.cluster.bootstrap)
    await admin.start()
    try:
        for grant in grants:
            row = (RESOURCES[grant.resource], grant.name, PATTERNS[grant.pattern], who.principal, "*")
            answer = await admin._send_request(request(*row, OPERATIONS[grant.operation], ALLOW))
            outcome = next(field for field in answer.to_object().values() if isinstance(field, list))
            assert [one["error_code"] for one in outcome] == [0], outcome
    finally:
        await admin.close()
