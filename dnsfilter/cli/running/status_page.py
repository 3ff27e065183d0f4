"""Fetch the pages of a node's status server."""

from http.client import HTTPConnection, HTTPException

from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Endpoint
from dnsfilter.config.own_addresses import LOOPBACK
from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.scraped import Samples, parse_samples

PAGE_S = 2.0
MAX_PAGE_BYTES = 16 << 20


def reached_at(endpoint: Endpoint) -> Endpoint:
    """Return where this machine reaches a listening endpoint: loopback for a wildcard, else the endpoint itself."""
    address = endpoint.address
    return Endpoint(LOOPBACK[address.version], endpoint.port) if address.is_unspecified else endpoint


def fetch_samples(endpoint: Endpoint) -> Samples:
    """Return the metrics of the node at this endpoint. Raise UnavailableError if no node answers there."""
    at = reached_at(endpoint)
    page = HTTPConnection(str(at.address), at.port, timeout=PAGE_S)
    asked = f"ask http://{endpoint_text(at)}/metrics"
    try:
        page.request("GET", "/metrics")
        samples = parse_samples(page.getresponse().read(MAX_PAGE_BYTES).decode("utf-8", "replace"))
    except OSError as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
        raise UnavailableError(f"{asked}: {reason}: does the node run? Type systemctl status dnsfilter") from error
    except (HTTPException, ValueError) as error:
        raise UnavailableError(f"{asked}: not a page of metrics: set metrics_listen to the node's address") from error
    finally:
        page.close()
    if samples.value("dnsfilter_build_info") is None:
        raise UnavailableError(f"{asked}: another program answers: set metrics_listen to the node's address")
    return samples
