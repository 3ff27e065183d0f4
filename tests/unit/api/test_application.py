"""The application: request bodies, headers, problems, description, metrics, logs."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.http import problems
from api.server.request_limits import LoadMiddleware, RequestKind
from api.server.request_slots import Slots
from dnsfilter.telemetry.exposition import write_page
from dnsfilter.telemetry.logs import KeyValueFormatter
from tests.support.components import component
from tests.unit.api.conftest import Plane, authority

TOWN = "/v1/authorities/town"


def _raw(plane: Plane, content: Any, kind: str | None = "application/json", **headers: str) -> httpx.Response:
    given = {"Authorization": f"Bearer {plane.token}", **headers}
    if kind is not None:
        given["Content-Type"] = kind
    return plane.call("PUT", TOWN, headers=given, content=content)


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/", 404, "not-found"),
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/v1/authorities/", 404, "not-found"),
        ("GET", "//v1/authorities", 404, "not-found"),
        ("GET", "/v1/authorities/..%2f..%2fbans", 404, "not-found"),
        ("GET", "/v1/authorities/town", 404, "not-found"),
        ("POST", "/v1/authorities", 405, "method-not-allowed"),
        ("DELETE", "/healthz", 405, "method-not-allowed"),
        ("GET", "/v1/bindings/0", 422, "invalid"),
        ("GET", "/v1/bindings/99999999999999999999", 422, "invalid"),
    ],
)
def test_every_error_is_a_problem(plane: Plane, method: str, path: str, status: int, slug: str) -> None:
    response = plane.call(method, path)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    problem = response.json()
    assert (problem["type"], problem["status"]) == (f"/problems/{slug}", status)
    assert problem["title"]
    assert problem["detail"]
    assert problem["request"] == response.headers["x-request-id"]


def test_a_body_is_json_and_of_bounded_size(plane: Plane) -> None:
    valid = json.dumps(authority())
    sizes = {"Content-Length": "1048577"}
    seen = [
        _raw(plane, valid, "text/plain").status_code,
        _raw(plane, valid, None).status_code,
        _raw(plane, "{").status_code,
        _raw(plane, "[" * 100_000).status_code,
        _raw(plane, b" " * (1024 * 1024 + 1)).status_code,
        _raw(plane, valid, **sizes).status_code,
        _raw(plane, valid, "application/json; charset=utf-8").status_code,
    ]
    assert seen == [415, 415, 422, 422, 413, 413, 201]


@pytest.mark.parametrize("token", ["", "Bearer dnsf_unknown", "Basic eDp5"])
def test_a_large_body_from_an_unknown_sender_is_not_read(plane: Plane, token: str) -> None:
    read: list[bytes] = []

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(100):
            read.append(b"#" * 16 * 1024)
            yield read[-1]

    kind = {"Authorization": token, "Content-Type": "application/toml"}
    response = plane.call("POST", "/v1/policy/diff", headers=kind, content=parts())
    assert (response.status_code, response.json()["type"]) == (401, "/problems/not-authenticated")
    announced = plane.call("POST", "/v1/policy/diff", headers=kind, content=b"#" * 2_000_000)
    assert (announced.status_code, announced.headers["connection"]) == (401, "close")
    assert plane.call("POST", "/v1/policy/diff", headers=kind, content=b"#").status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/policy/apply", 403),
        ("PUT", f"{TOWN}/bans/alpha", 403),
        ("POST", "/v1/nodes/self/report", 403),
        ("GET", "/v1/bans", 413),
        ("PUT", "/v1/bans", 413),
        ("POST", "/nothing", 413),
    ],
)
def test_a_large_body_is_not_read_before_its_permission_is_checked(
    town: Plane, method: str, path: str, status: int
) -> None:
    _, reader = town.account("reader", ("reader", "town"))
    kind = {"Authorization": f"Bearer {reader}", "Content-Type": "application/json"}
    response = town.call(method, path, headers=kind, content=b" " * 100_000)
    assert (response.status_code, response.headers["connection"]) == (status, "close")


@pytest.mark.parametrize("length", ["0", "10", "9000000", "x"])
def test_a_body_with_two_lengths_is_refused_unread(plane: Plane, length: str) -> None:
    read: list[bytes] = []

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(100):
            read.append(b"#" * 64 * 1024)
            yield read[-1]

    lengths = {"Content-Length": length, "Transfer-Encoding": "chunked"}
    given = {"Authorization": f"Bearer {plane.token}", "Content-Type": "application/toml", **lengths}
    response = plane.call("POST", "/v1/policy/diff", headers=given, content=parts())
    assert (response.status_code, response.json()["type"]) == (400, "/problems/bad-request")
    assert (response.headers["connection"], read) == ("close", [])


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/accounts"), ("PATCH", TOWN)])
def test_a_fault_repeats_no_long_name_of_a_field(plane: Plane, method: str, path: str) -> None:
    plane.done("PUT", TOWN, authority())
    response = plane.call(method, path, {f"{number}{'x' * 5000}": 1 for number in range(150)})
    assert response.status_code == 422
    locations = [fault["location"] for fault in response.json()["faults"]]
    assert len(locations) == problems.MAX_FAULTS
    assert max(map(len, locations)) == 200
    assert len(response.content) < 100_000


def test_requests_beyond_the_limit_are_refused_as_overload() -> None:
    statuses: list[int] = []

    async def run() -> None:
        free, begun = asyncio.Event(), 0

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal begun
            begun += 1
            await free.wait()
            await Response(status_code=204)(scope, receive, send)

        transport = httpx.ASGITransport(LoadMiddleware(slow, {RequestKind.READ: Slots(2, 2, queued_s=0.05)}))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            taken = [asyncio.create_task(client.get("/")) for _ in range(2)]
            while begun < 2:
                await asyncio.sleep(0)
            refused = await client.get("/")
            assert (refused.status_code, refused.json()["type"]) == (503, "/problems/overloaded")
            free.set()
            statuses.extend([(await task).status_code for task in taken])
            statuses.append((await client.get("/")).status_code)

    asyncio.run(run())
    assert statuses == [204, 204, 204]


def test_a_body_without_a_length_is_bounded_too(plane: Plane) -> None:
    async def endless() -> Any:
        while True:
            yield b" " * 65_536

    response = _raw(plane, endless())
    assert (response.status_code, response.json()["type"]) == (413, "/problems/too-large")


def test_every_answer_forbids_caching_and_sniffing(plane: Plane) -> None:
    for path in ("/healthz", "/v1/authorities", "/nothing", "/docs"):
        headers = plane.call("GET", path).headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_other_origins_may_not_read(plane: Plane) -> None:
    headers = {"Authorization": f"Bearer {plane.token}", "Origin": "https://example.org"}
    assert "access-control-allow-origin" not in plane.call("GET", "/v1/authorities", headers=headers).headers


def test_the_page_loads_nothing_from_elsewhere(plane: Plane) -> None:
    page = plane.call("GET", "/docs", headers={})
    text = page.text + plane.call("GET", "/docs/page.js").text + plane.call("GET", "/docs/page.css").text
    assert "://" not in text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_the_description_has_an_id_a_summary_and_errors_for_every_operation(plane: Plane) -> None:
    described = plane.done("GET", "/openapi.json")
    operations = [operation for item in described["paths"].values() for operation in item.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids)) > 40
    for operation in operations:
        assert operation["summary"]
        guarded = bool(operation["security"])
        assert guarded == ("401" in operation["responses"])
        for status, response in operation["responses"].items():
            if status >= "400" and guarded:
                name = response["$ref"].rpartition("/")[2]
                shared = described["components"]["responses"][name]
                assert list(shared["content"]) == ["application/problem+json"], operation["operationId"]


def test_metrics_have_a_series_per_route_and_none_per_queried_name(town: Plane) -> None:
    for number in range(20):
        town.call("GET", f"/v1/decision?client=192.0.2.{number}&name=secret{number}.example.org")
        town.call("GET", f"/missing/{number}")
        town.call(f"VERB{number}", "/healthz")
    text = write_page(town.registry.collect(), "", "").body.decode()
    assert "secret" not in text
    assert "192.0.2" not in text
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert all(name == "process_start_time_seconds" or name.startswith("dnsfilter_") for name in names)
    assert 'dnsfilter_api_requests_total{method="GET",route="/v1/decision",status="200"} 20.0' in text
    assert 'dnsfilter_api_requests_total{method="GET",route="unmatched",status="404"} 20.0' in text
    assert 'dnsfilter_api_requests_total{method="other",route="/healthz",status="405"} 20.0' in text
    revision = town.revision()
    assert f"dnsfilter_api_database_revision {revision}\n" in text
    assert f"dnsfilter_api_published_revision {revision}\n" in text


def test_no_log_line_has_a_query_string_or_a_token(town: Plane, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="dnsfilter"):
        town.call("GET", "/v1/who?address=192.0.2.77")
        town.call("GET", "/v1/decision?client=192.0.2.77&name=secret.example.org%0aforged")
    text = "\n".join(map(KeyValueFormatter().format, caplog.records))
    assert re.search(
        r"level=info logger=dnsfilter.api.access event=request method=GET route=/v1/who status=200 ms=[\d.]+ "
        r"request=[0-9a-f]{24}$",
        text,
        re.M,
    )
    assert not any(word in text for word in ("192.0.2.77", "secret", "forged", town.token))


def test_an_answer_to_an_internal_error_has_no_details(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_unit: object) -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(plane.publisher, "current", broken)
    response = plane.call("GET", "/v1/who?address=192.0.2.1")
    assert (response.status_code, response.json()["type"]) == (500, "/problems/internal")
    assert "secret" not in response.text


def test_promtool_accepts_the_metrics(town: Plane) -> None:
    checked = component("promtool").run(
        "check", "metrics", stdin=write_page(town.registry.collect(), "", "").body.decode()
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
