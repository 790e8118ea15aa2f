"""Which requests go through the proxies that the environment names: none to this machine."""

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
    """Open an address of this machine, without a proxy; raises OSError as `urlopen` does."""
    return build_opener(ProxyHandler({})).open(url, timeout=seconds)


def is_here(host: str) -> bool:
    """Return whether a host is this machine under one of its own names."""
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
    """Return a connection for requests to a URL, through a proxy if the environment asks for one.

    Also returns what a path of a request must begin with, and headers for the proxy.

    Raises
    ------
    SlipwayError
        The URL is not one of http or https, or the proxy is of another kind.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:  # no port, or no IPv6 address
        host, port = "", 0
    if not host or not port or parts.scheme not in PORTS:
        raise SlipwayError(
            f"{url}: not the address of a service", "write it like http://127.0.0.1:3000"
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
            f"{host} is to be asked through the proxy {proxy.scheme}://{proxy.hostname}, and only "
            "proxies of http:// are known",
            f"name another in {url.scheme}_proxy, or add {host} to no_proxy",
        )
    return proxy


def _authorization(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
