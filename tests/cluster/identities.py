"""Who is who in a cluster: certificates of an authority of its own, and the files by which clients find the server."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import trustme

ADMINISTRATORS = "system:masters"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its private key, as files."""

    cert: Path
    key: Path


class Identities:
    """An authority for the server and its users, and another one for the server's own calls to extension servers."""

    def __init__(self, folder: Path, server: str) -> None:
        self._folder, self._server = folder, server
        self._users, self._front = trustme.CA(), trustme.CA()
        self.authority, self.front_authority = folder / "ca.crt", folder / "front-ca.crt"
        self._users.cert_pem.write_to_path(self.authority)
        self._front.cert_pem.write_to_path(self.front_authority)

    def certificate(self, user: str, *hosts: str, group: str = "cluster", front: bool = False) -> Certificate:
        """Issue a certificate to a user (its common name) of a group (its organisation), valid as a server at the hosts."""
        issued = (self._front if front else self._users).issue_cert(
            *(hosts or ("localhost",)), common_name=user, organization_name=group
        )
        stem = user.replace(":", "-")
        made = Certificate(self._folder / f"{stem}.crt", self._folder / f"{stem}.key")
        issued.cert_chain_pems[0].write_to_path(made.cert)
        issued.private_key_pem.write_to_path(made.key)
        return made

    def kubeconfig(self, user: str, group: str = "cluster") -> Path:
        """Write the file by which a client is that user."""
        own = self.certificate(user, group=group)
        return self._write(user, {"client-certificate-data": _text(own.cert), "client-key-data": _text(own.key)})

    def kubeconfig_with_token(self, user: str, token: str) -> Path:
        """Write the file by which a client is whoever the token says, such as a ServiceAccount."""
        return self._write(user, {"token": token})

    def _write(self, user: str, proof: dict[str, str]) -> Path:
        cluster = {"server": self._server, "certificate-authority-data": _text(self.authority)}
        path = self._folder / f"{user.replace(':', '-')}.kubeconfig"
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "test", "cluster": cluster}],
                    "users": [{"name": user, "user": proof}],
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
                    "current-context": "test",
                }
            )
        )
        return path


def _text(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
