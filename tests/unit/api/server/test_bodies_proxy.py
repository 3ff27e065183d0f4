"""The configuration of nginx in `deploy/` fits what the API accepts."""

import re
from pathlib import Path

from api.server.bodies import MAX_BYTES, OF_PATH

NGINX = (Path(__file__).parents[4] / "deploy" / "nginx" / "dnsfilter-api.conf").read_text(encoding="utf-8")


def test_the_proxy_passes_on_the_largest_body_that_the_api_accepts() -> None:
    largest = max(MAX_BYTES, *(most for most, _ in OF_PATH.values()))
    found = re.findall(r"^ *client_max_body_size (\d+)m;$", NGINX, re.MULTILINE)
    assert [int(each) * 1024 * 1024 for each in found] == [largest]


def test_the_proxy_limits_slow_clients_and_the_requests_of_one_address() -> None:
    bounds = ("client_header_timeout", "client_body_timeout", "send_timeout", "limit_conn")
    assert [name for name in bounds if not re.search(rf"^ *{name} .+;$", NGINX, re.MULTILINE)] == []


def test_the_proxy_buffers_requests_and_answers_of_slow_clients() -> None:
    assert not re.search(r"proxy_(request_)?buffering\s+off", NGINX)
