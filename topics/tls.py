"""TLS whose files may be replaced while we run: a renewed certificate is used by the next connection, without a restart."""

import logging
import ssl
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Loaded:
    """Files that were read together, how they looked then, and how they are read."""

    files: Sequence[Path]
    stamp: Sequence[object]
    read: Callable[[ssl.SSLContext], None]


class FreshContext(ssl.SSLContext):
    """A client's context that looks at its files before each connection, and reads again those that were replaced.

    Host names and chains are always checked. What cannot be used is said, and what was read before stays. Authorities can
    only be added: one that is taken out of its file is trusted until the process ends.
    """

    def __new__(cls) -> Self:
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        if sys.version_info >= (3, 13):  # as ssl.create_default_context does from there on
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
        return context

    def __init__(self) -> None:
        self._loaded: list[_Loaded] = []

    def load(self, files: Sequence[Path], read: Callable[[ssl.SSLContext], None]) -> None:
        """Read the files into this context. Raises what `read` raises; then nothing of them is used."""
        stamp = _stamp(files)
        read(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))  # half of a pair that does not match would stay in the context
        read(self)
        self._loaded.append(_Loaded(files, stamp, read))

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Begin a connection; asyncio calls this for every one."""
        for loaded in self._loaded:
            self._freshen(loaded)
        return super().wrap_bio(*args, **options)

    def _freshen(self, loaded: _Loaded) -> None:
        stamp = _stamp(loaded.files)
        if stamp == loaded.stamp:
            return
        loaded.stamp = stamp
        try:
            loaded.read(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
            loaded.read(self)
        except OSError as error:  # ssl.SSLError is one
            _log.warning("%s cannot be used, what was read before stays: %s", ", ".join(map(str, loaded.files)), error)
        else:
            _log.info("%s was replaced and is used from now on", ", ".join(map(str, loaded.files)))


def _stamp(files: Sequence[Path]) -> Sequence[object]:
    """Return what changes when a file is written or, as a mounted secret is, swapped by a symbolic link."""
    return [_seen(file) for file in files]


def _seen(file: Path) -> object:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
