"""URLs that requests give, and that this program calls later."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit


def demand_url(text: str, example: str) -> SplitResult:
    """Return the parts of a URL with a host. Raise ValueError for one that cannot be called, or shows a password."""
    unusable = f"not a URL: write for example {example}"
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
        # What the resolver of names cannot take. UnicodeError is a ValueError.
        (host or "").encode("idna").decode("idna")
        if host is not None and (host.rpartition(".")[2].isdigit() or ":" in host):
            ip_address(host)
    except ValueError:
        raise ValueError(unusable) from None
    if url.scheme not in ("https", "http") or not host:
        raise ValueError(unusable)
    if "@" in url.netloc:
        raise ValueError("leave out user and password: the URL is shown to others")
    if url.fragment:
        raise ValueError("leave out the part after #")
    return url
