"""HTTP connections through the proxies of the environment, except to this machine."""

from __future__ import annotations

import base64
import http.client
import ipaddress
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import ProxyHandler, build_opener, getproxies, proxy_bypass

from slipway.errors import SlipwayError

PORTS = {"http": 80, "https": 443}


def open_here(url: str, seconds: float) -> Any:
    """Open a URL of this machine without a proxy; raises OSError as `urlopen` does."""
    return build_opener(ProxyHandler({})).open(url, timeout=seconds)


def is_here(host: str) -> bool:
    """Return whether a host is a name or address of this machine."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback or address.is_unspecified


def connect(url: str, seconds: float) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """Return a connection to a URL, through the proxy of the environment if there is one.

    Also returns the prefix of the path of each request, and headers for the proxy.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:  # an invalid port or IPv6 address
        host, port = "", 0
    if not host or not port or parts.scheme not in PORTS:
        raise SlipwayError(
            f"{url}: not an http or https URL", "use a URL like http://127.0.0.1:3000"
        )
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    proxy = _proxy_for(parts)
    if proxy is None:
        return kind(host, port, timeout=seconds), "", {}
    headers = _authorization(proxy)
    connection = kind(proxy.hostname or "", proxy.port or PORTS["http"], timeout=seconds)
    if parts.scheme == "http":
        return connection, f"http://{parts.netloc.rpartition('@')[2]}", headers
    connection.set_tunnel(host, port, headers)
    return connection, "", {}


def _proxy_for(url: SplitResult) -> SplitResult | None:
    host = url.hostname or ""
    named = getproxies()
    address = named.get(url.scheme) or named.get("all")
    if not address or is_here(host) or proxy_bypass(host):
        return None
    proxy = urlsplit(address if "://" in address else f"http://{address}")
    if proxy.scheme != "http" or not proxy.hostname:
        raise SlipwayError(
            f"the proxy for {host} is {proxy.scheme}://{proxy.hostname}; only http:// is supported",
            f"set another in {url.scheme}_proxy, or add {host} to no_proxy",
        )
    return proxy


def _authorization(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
