"""Which proxy an address is called through: what httpx2 would take, by which the openai package goes."""

from urllib.request import getproxies

import httpx2
import pytest
from pydantic import SecretStr

from workers.asking.proxies import proxy_for
from workers.setting_model import ModelSettings
from workers.settings import SettingsRefused
from workers.wiring.model import openai_model

URLS = [
    "http://a.b/v1",
    "http://a.b:8080/v1",
    "https://a.b/v1",
    "https://x.a.b/v1",
    "http://xa.b/v1",
    "http://localhost:8000/v1",
    "http://10.1.2.3:8000/v1",
    "http://11.1.2.3/v1",
    "http://[fd00::1]:80/v1",
    "http://model.team.svc.cluster.local/v1",
]
SPARED = [
    "",
    "*",
    "a.b",
    " A.B ,localhost",
    ".a.b",
    "*.a.b",
    "a.b:8080",
    "https://a.b",
    "all://a.b",
    "10.0.0.0/8,.svc,.cluster.local",
    "10.1.2.3:8000",
    "10.1.2.3",
    "fd00::/8",
    "[fd00::1]",
    "fd00::1",
    "a.b:what, b, , a.b/v1",
]
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.mark.parametrize("spared", SPARED)
def test_the_proxy_is_the_one_that_httpx2_takes(monkeypatch, spared):
    """For names, addresses and networks that are spared, each with a port, a scheme, or neither."""
    for name in NAMES:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("http_proxy", "http://user:word@plain.invalid:3128")
    monkeypatch.setenv("https_proxy", "http://secret.invalid:3128")
    monkeypatch.setenv("no_proxy", spared)
    client = httpx2.AsyncClient()
    for url in URLS:
        theirs = getattr(client._transport_for_url(httpx2.URL(url))._pool, "_proxy_url", None)
        ours = proxy_for(url, getproxies())
        assert httpx2.URL(ours or "").host == (theirs.host.decode() if theirs is not None else ""), url


@pytest.mark.parametrize(
    ("told", "proxy"),
    [
        ({}, None),
        ({"no": "a.b"}, None),
        ({"http": "plain:1"}, "http://plain:1"),
        ({"https": "secret:1"}, None),
        ({"all": "http://any:1"}, "http://any:1"),
        ({"all": "http://any:1", "http": "http://user:word@plain:1"}, "http://user:word@plain:1"),
        ({"http": "http://plain:1", "no": "a.b:80"}, None),
        ({"http": "http://plain:1", "no": "a.b:443"}, "http://plain:1"),
    ],
)
def test_the_scheme_chooses(told, proxy):
    """Its own proxy before the one for all; a port that is not written is the scheme's."""
    assert proxy_for("http://a.b/v1", told) == proxy


@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://user:pass-word@a:1",
        "http://user:pass#word@a:1",
        "http://user:pass/word@a:1",
        "http://a:b",
        "http://",
        "http://[a",
    ],
)
def test_what_is_no_http_proxy_is_refused_at_start(monkeypatch, proxy):
    """Taken for one it would fail each call, or be passed by; the sentence names the variables, and no password."""
    for name in NAMES:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("all_proxy", proxy)
    with pytest.raises(SettingsRefused, match="all_proxy") as refused:
        openai_model(ModelSettings(base_url="http://a.b/v1", name="nano", api_key=SecretStr("given-key")))
    assert "pass" not in str(refused.value).replace("a password", "")
