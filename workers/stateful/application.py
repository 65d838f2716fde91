"""A faust application on the cluster of the settings, and its life in this process.

What faust is not trusted with (see `ARCHITECTURE.md`) is not used: an agent holds one record of a partition at a time and
acknowledges it itself, no `take`, no exactly-once mode, topics are made by `nanotriage topics apply`.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, assert_never

import faust
from yarl import URL

from topics.connection import Connection, Plaintext, Sasl, Tls, client_options
from workers.stateful.committed import reading_committed
from workers.stateful.flow import Flow

Store = Literal["memory", "rocksdb"]
_MEBIBYTE = 1024 * 1024
_LINGER_SECONDS = 0.05  # nobody waits for a window: fewer requests cost less
_BATCH_BYTES = _MEBIBYTE // 4  # faust sends one record after the other: a full batch of one partition would stop all


@dataclass(frozen=True, slots=True)
class Storage:
    """Where an application keeps its tables. The folder belongs to one process."""

    store: Store
    folder: Path


def application(name: str, connection: Connection, session_seconds: float, storage: Storage) -> faust.App:
    """Return an application whose consumer group is its name. Raises LogRefused for security files that cannot be used."""
    options = client_options(connection)
    app = faust.App(
        name,
        broker=[URL(f"aiokafka://{broker}") for broker in options["bootstrap_servers"]],
        broker_client_id=connection.client_id,
        broker_credentials=_credentials(connection, options),
        broker_session_timeout=session_seconds,
        broker_heartbeat_interval=session_seconds / 5,
        broker_request_timeout=max(90.0, session_seconds),
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        producer_linger=_LINGER_SECONDS,
        producer_max_batch_size=_BATCH_BYTES,
        store="memory://" if storage.store == "memory" else "rocksdb://",
        datadir=str(storage.folder),
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    app.flow_control = Flow()
    return reading_committed(app)


def table_options(storage: Storage, ttl_seconds: float) -> Mapping[str, Any]:
    """Return the store's options: some megabytes for each partition, where faust's own are for gigabytes.

    RocksDB drops what was not written for the time to live when it compacts.
    """
    match storage.store:
        case "memory":
            return {}
        case "rocksdb":
            return {
                "driver": "rocksdict",
                "write_buffer_size": 4 * _MEBIBYTE,
                "max_write_buffer_number": 2,
                "target_file_size_base": 8 * _MEBIBYTE,
                "block_cache_size": 8 * _MEBIBYTE,
                "block_cache_compressed_size": _MEBIBYTE,
                "max_open_files": 64,
                "ttl": round(ttl_seconds),
            }
        case unsaid:
            assert_never(unsaid)


async def live(app: faust.App, stop: asyncio.Event) -> None:
    """Run until `stop` is set. Raises what the application ended with when it ended by itself."""
    app.finalize()
    await app.start()
    stopping = asyncio.ensure_future(stop.wait())
    ended = asyncio.ensure_future(app.wait_until_stopped())
    try:
        await asyncio.wait({stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
        if app.crash_reason is not None:
            raise app.crash_reason
    finally:
        for task in (stopping, ended):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await app.stop()


def _credentials(connection: Connection, options: Mapping[str, Any]) -> Any:
    context = options.get("ssl_context")
    match connection.security:
        case Plaintext():
            return None
        case Tls():
            return faust.SSLCredentials(context)
        case Sasl(mechanism=mechanism, username=username):
            password = options["sasl_plain_password"]
            return faust.SASLCredentials(username=username, password=password, mechanism=mechanism, ssl_context=context)
        case unsaid:
            assert_never(unsaid)
