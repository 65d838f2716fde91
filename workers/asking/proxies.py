"""Which proxy an address is called through, by the variables that curl made customary. Pure: their values come in.

The rules of NO_PROXY are httpx2's, by which the openai package goes: a name with all below it, `.name` or `*.name` for those
below alone, an address or a network, a name with a port or without.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

_PORTS = {"http": 80, "https": 443}


def proxy_for(url: str, told: Mapping[str, str]) -> str | None:
    """Return the address of the proxy, None to go without. `told` is what `urllib.request.getproxies` returns.

    Raises ValueError for an address that is none of an HTTP proxy, without a word of it: it may hold a password.
    """
    address = urlsplit(url)
    proxy = told.get(address.scheme) or told.get("all")
    entries = [entry.strip().lower() for entry in told.get("no", "").split(",")]
    if not proxy or any(_spared(entry, address) for entry in entries):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not _speaks_http(proxy):
        raise ValueError("should be that of an HTTP proxy: http://HOST:PORT, with what is special in a password as %XX")
    return proxy


def _speaks_http(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _spared(entry: str, address: SplitResult) -> bool:
    scheme, _, place = entry.rpartition("://")
    if scheme not in {"", "all", address.scheme}:
        return False
    host = address.hostname or ""
    try:
        network = ipaddress.ip_network(place.strip("[]"), strict=False)
    except ValueError:
        wider = place if scheme or place.startswith("*") else f"*{place}"
        return entry == "*" or _named(wider, host, address.port or _PORTS.get(address.scheme))
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:  # a name, whatever it resolves to
        return False


def _named(place: str, host: str, port: int | None) -> bool:
    """Tell whether `name`, `*name` (and all below it) or `*.name` (those below it) is the host, and the port is its own."""
    try:
        wanted = urlsplit(f"//{place}")
        name, of_port = wanted.hostname or "", wanted.port
    except ValueError:  # what nobody can read spares nobody, as curl has it
        return False
    bare = name.removeprefix("*").removeprefix(".")
    if not bare or of_port not in {None, port}:
        return False
    return (host == bare and not name.startswith("*.")) or (name.startswith("*") and host.endswith(f".{bare}"))
