"""Certificates and authorities that are replaced while a client lives, as a mounted secret is: by a symbolic link."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest
import trustme

from topics.connection import Connection, Tls, client_options


class Door:
    """A server on this machine that wants a certificate, and says whose it was given."""

    def __init__(self, mine, trusted):
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        mine.issue_cert("127.0.0.1").configure_cert(self.context)
        trusted.configure_trust(self.context)
        self.context.verify_mode = ssl.CERT_REQUIRED

    @contextlib.asynccontextmanager
    async def open(self):
        async def answer(reader, writer):
            del reader
            subject = dict(pair for row in writer.get_extra_info("peercert")["subject"] for pair in row)
            writer.write(subject["commonName"].encode())
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=self.context)
        async with server:
            yield server.sockets[0].getsockname()[1]


async def knock(context, port):
    """Return the name that the door read from our certificate. Raises ssl.SSLError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        return (await reader.read()).decode()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def mounted(tmp_path):
    """Return a function that puts files where a client looks for them, all at once, and the folder where that is."""
    current, versions = tmp_path / "current", iter(range(100))

    def mount(**files: bytes) -> Path:
        version = tmp_path / f"version-{next(versions)}"
        version.mkdir()
        for name, content in files.items():
            (version / f"{name}.pem").write_bytes(content)
        link = tmp_path / "link"
        link.symlink_to(version)
        link.replace(current)
        return current

    return mount


def proof(authority, name):
    """Return a key and its certificate, in one file."""
    issued = authority.issue_cert(f"{name}.local", common_name=name)
    return issued.private_key_pem.bytes() + b"".join(blob.bytes() for blob in issued.cert_chain_pems)


def context_of(folder):
    tls = Tls(folder / "ca.pem", folder / "me.pem", folder / "me.pem")
    return client_options(Connection("a:1", tls))["ssl_context"]


async def test_a_renewed_certificate_is_used_by_the_next_connection(authority, mounted):
    """The context was made before; nothing is made anew."""
    ca = authority.cert_pem.bytes()
    context = context_of(mounted(ca=ca, me=proof(authority, "one")))
    async with Door(authority, authority).open() as port:
        assert await knock(context, port) == "one"
        mounted(ca=ca, me=proof(authority, "two"))
        assert await knock(context, port) == "two"


@pytest.mark.parametrize("broken", [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\n"])
async def test_what_cannot_be_used_changes_nothing_and_is_said_once(authority, mounted, caplog, broken):
    """Also a file that is written in two steps: the next change is read again."""
    ca = authority.cert_pem.bytes()
    context = context_of(mounted(ca=ca, me=proof(authority, "one")))
    async with Door(authority, authority).open() as port:
        mounted(ca=ca, me=broken)
        assert [await knock(context, port) for _ in range(2)] == ["one", "one"]
        assert len([record for record in caplog.records if "stays" in record.getMessage()]) == 1
        mounted(ca=ca, me=proof(authority, "two"))
        assert await knock(context, port) == "two"


async def test_half_of_a_pair_changes_nothing(authority, mounted):
    """A certificate whose key has not come yet is not used with the old key."""
    one, two = proof(authority, "one"), proof(authority, "two")
    folder = mounted(ca=authority.cert_pem.bytes(), cert=one, key=one)
    tls = Tls(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    context = client_options(Connection("a:1", tls))["ssl_context"]
    async with Door(authority, authority).open() as port:
        (folder / "cert.pem").write_bytes(two)
        assert await knock(context, port) == "one"
        (folder / "key.pem").write_bytes(two)
        assert await knock(context, port) == "two"


async def test_a_new_authority_is_trusted_once_its_file_names_it(authority, mounted):
    """Before, the same context refuses a broker that it signed."""
    other, me = trustme.CA(), proof(authority, "me")
    context = context_of(mounted(ca=authority.cert_pem.bytes(), me=me))
    async with Door(other, authority).open() as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await knock(context, port)
        mounted(ca=authority.cert_pem.bytes() + other.cert_pem.bytes(), me=me)
        assert await knock(context, port) == "me"


async def test_the_host_s_name_is_checked(authority, mounted):
    """As before the files could change."""
    context = context_of(mounted(ca=authority.cert_pem.bytes(), me=proof(authority, "me")))
    door = Door(authority, authority)
    authority.issue_cert("elsewhere.example").configure_cert(door.context)
    async with door.open() as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await knock(context, port)
