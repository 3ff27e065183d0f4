"""The running API, asked what its own description allows and what it does not, as every kind of caller."""

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.nodes import EXAMPLE
from tests.support.planes import Api
from tests.support.soaking import SOAKING, say

Operation: TypeAlias = APIOperation[Any, Any, Any, Any]
Asked: TypeAlias = Case[Any]
CASES = 120 if SOAKING else 5
"""Of each operation as described, and as many otherwise."""
ROLES = ("reader", "operator", "approver", "auditor", "administrator")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
KNOWN: Mapping[str, tuple[Any, ...]] = {
    "slug": ("ghent", "federal", "mechelen"),
    "service": ("tiktok", "instagram"),
    "site": ("default",),
    "address": ("127.0.5.0", "127.0.15.0", "127.0.8.0"),
    "length": (24,),
    "number": tuple(range(1, 7)),
}
"""What there is in the example: of three cases two are about something that exists."""


@dataclass
class World:
    """The API, with a token of each role; and accounts and grants of nobody who asks."""

    api: Api
    tokens: Mapping[str, str]
    bystanders: tuple[int, ...]
    grants: tuple[int, ...]
    asked: Counter[int] = field(default_factory=Counter)
    faults: dict[tuple[str, int], str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Api(tmp_path_factory.mktemp("described"), EXAMPLE.read_text(encoding="utf-8")) as api:
        headers = {"Authorization": f"Bearer {api.token()}"}
        with httpx.Client(base_url=api.url, headers=headers) as client:
            tokens = {role: _account(client, f"the-{role}", role)[2] for role in ROLES}
            others = [_account(client, f"bystander-{number}", "reader") for number in range(4)]
        yield World(api, tokens, tuple(other[0] for other in others), tuple(other[1] for other in others))


def test_every_answer_is_as_described(world: World) -> None:
    described = schemathesis.openapi.from_url(f"{world.api.url}/openapi.json")
    for found in described.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if operation.label != "POST /v1/policy/apply":
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                _ask(world, operation, mode)
    # What is done all at once comes last: it may leave little of the example.
    _ask(world, described["/v1/policy/apply"]["POST"], GenerationMode.POSITIVE)
    say(f"answers by status: {dict(sorted(world.asked.items()))}")
    told = "\n\n".join(f"{label} {status}: {text}" for (label, status), text in sorted(world.faults.items()))
    assert not world.faults, f"{told}\n{world.api.log.read_text()[-4000:] if _failed(world) else ''}"
    assert {200, 201, 304, 401, 403, 404, 409, 412, 422} <= set(world.asked), world.asked


def _ask(world: World, operation: Operation, mode: GenerationMode) -> None:
    if mode is GenerationMode.NEGATIVE and not (operation.query or operation.path_parameters or operation.body):
        return

    example = _example(operation)

    @settings(
        max_examples=CASES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Asked) -> None:
        draw = random.Random(repr((case.path_parameters, case.query, case.body)))
        if mode is GenerationMode.POSITIVE and example is not None and draw.random() < 1 / 3:
            case.body = deepcopy(example)
        _lead(case, draw, world)
        role = draw.choice(("nobody", *ROLES, "administrator", "administrator"))
        headers = {} if role == "nobody" else {"Authorization": f"Bearer {world.tokens[role]}"}
        answer = case.call(headers=headers)
        world.asked[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except (FailureGroup, Failure) as error:
            world.faults.setdefault((operation.label, answer.status_code), f"as {role}: {error}")

    one()


def _lead(case: Asked, draw: random.Random, world: World) -> None:
    """Have most cases be about what exists, and none about those who ask."""
    parameters = case.path_parameters or {}
    for name in parameters:
        if name == "account":
            parameters[name] = draw.choice(world.bystanders)
        elif name == "number" and "/grants/" in case.path:
            parameters[name] = draw.choice(world.grants)
        elif name in KNOWN and draw.random() < 2 / 3:
            parameters[name] = draw.choice(KNOWN[name])
    if isinstance(case.body, dict):
        if "account" in case.body:
            case.body["account"] = draw.choice(world.bystanders)
        if isinstance(case.body.get("ban"), str):
            case.body["ban"] = "ghent/tiktok"
        if isinstance(case.body.get("authority"), str):
            case.body["authority"] = draw.choice(KNOWN["slug"])
    if case.method == "GET" and draw.random() < 1 / 6:
        case.headers["If-None-Match"] = "*"
    elif draw.random() < 2 / 3:
        for name in ("If-Match", "If-None-Match"):
            case.headers.pop(name, None)


def _example(operation: Operation) -> Any:
    """The body that the description gives as an example, or None."""
    contents = operation.definition.raw.get("requestBody", {}).get("content", {})
    return next((content["example"] for content in contents.values()), None)


def _failed(world: World) -> bool:
    return any(status >= 500 for _, status in world.faults)


def _account(client: httpx.Client, login: str, role: str) -> tuple[int, int, str]:
    """A new account that holds the role, in Ghent where it is one of an authority; its grant, and its token."""
    number = _done(client, "/v1/accounts", {"kind": "service", "login": login, "name": login})["number"]
    authority = "ghent" if role in ("reader", "operator", "approver") else None
    wanted = {"account": number, "role": role, "authority": authority, "reason": "for a test", "for": "1 year"}
    grant = _done(client, "/v1/grants", wanted)["number"]
    made = _done(client, f"/v1/accounts/{number}/tokens", {"label": "test", "for": "90 days"})
    return number, grant, made["token"]


def _done(client: httpx.Client, path: str, body: Mapping[str, Any]) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


@schemathesis.serializer("application/toml")
def _toml(_context: Any, value: Any) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace")


def test_an_answer_that_is_not_described_is_a_fault(world: World) -> None:
    told = httpx.get(f"{world.api.url}/openapi.json").json()
    told["components"]["schemas"]["VersionRead"]["properties"]["version"]["type"] = "integer"
    del told["paths"]["/healthz"]["get"]["responses"]["200"]
    described = schemathesis.openapi.from_dict(told)
    for path in ("/version", "/healthz"):
        case = described[path]["GET"].Case()
        answer = case.call(base_url=world.api.url)
        with pytest.raises((FailureGroup, Failure)):
            case.validate_response(answer, checks=CHECKS)
