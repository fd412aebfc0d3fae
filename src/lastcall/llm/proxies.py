"""Which proxy the environment names for a server; asked once for each, not for each request."""

from urllib.request import getproxies, proxy_bypass

from yarl import URL

from .errors import RequestError

__all__ = ["environments_proxy"]

_SCHEMES = {"http", "https"}


def environments_proxy(url: URL) -> URL | None:
    """
    Return the proxy of the environment (and of macOS's or Windows' settings) for *url*, or None.

    Raises:
        RequestError: For a proxy of a kind that aiohttp does not speak to, SOCKS above all.
    """
    if not url.host or proxy_bypass(f"{url.host}:{url.port}"):
        return None
    proxies = getproxies()
    text = proxies.get(url.scheme) or proxies.get("all")
    if not text:
        return None
    proxy = URL(text if "://" in text else f"http://{text}")
    if proxy.scheme not in _SCHEMES:
        raise RequestError(
            f"the environment names a {proxy.scheme} proxy for {url.origin()}, and only those of http and"
            " https are spoken to; with clear_proxy=True none is used"
        )
    return proxy
