"""Send a running API requests that its description allows, and requests that it does not allow.

This is a separate program: `python -m tests.support.described_requests < wanted`. What schemathesis draws depends on
the order of sets, and so on PYTHONHASHSEED.
"""

import json
import random
import sys
from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core import NOT_SET
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

Operation: TypeAlias = APIOperation[Any, Any, Any, Any]
Asked: TypeAlias = Case[Any]
SEED = 5
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
"""Values that exist in the example. Two of three cases use one of them."""


@dataclass(frozen=True)
class Wanted:
    """Where to send requests, and how many for each operation.

    `tokens` has a token of each role. `bystanders` and `grants` are accounts, and grants of accounts, that send no
    requests.
    """

    url: str
    cases: int
    tokens: Mapping[str, str]
    bystanders: tuple[int, ...]
    grants: tuple[int, ...]


@dataclass
class Report:
    """The number of answers by status, and the answers that differ from the description."""

    asked: Counter[int] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)


def ask_all(wanted: Wanted) -> Report:
    """Send requests to every operation, valid and invalid ones."""
    report = Report()
    described = schemathesis.openapi.from_url(f"{wanted.url}/openapi.json")
    for found in described.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if operation.label != "POST /v1/policy/apply":
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                _ask(wanted, report, operation, mode)
    # Apply a policy last: it may leave little of the example.
    _ask(wanted, report, described["/v1/policy/apply"]["POST"], GenerationMode.POSITIVE)
    return report


def _ask(wanted: Wanted, report: Report, operation: Operation, mode: GenerationMode) -> None:
    if mode is GenerationMode.NEGATIVE and not (operation.query or operation.path_parameters or operation.body):
        return
    examples = _examples(operation)
    # Hypothesis draws the same values each time. Schemathesis also draws from `random`, before Hypothesis does.
    random.seed(SEED)

    @settings(
        max_examples=wanted.cases,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Asked) -> None:
        body = None if case.body is NOT_SET else case.body
        draw = random.Random(repr((operation.label, case.path_parameters, case.query, body)))
        if mode is GenerationMode.POSITIVE and case.media_type in examples and draw.random() < 1 / 3:
            case.body = deepcopy(examples[case.media_type])
        _lead(case, draw, wanted)
        role = draw.choice(("nobody", *sorted(wanted.tokens), "administrator", "administrator"))
        headers = {} if role == "nobody" else {"Authorization": f"Bearer {wanted.tokens[role]}"}
        answer = case.call(headers=headers)
        report.asked[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except (FailureGroup, Failure) as error:
            report.faults.setdefault(f"{operation.label} {answer.status_code}", f"as {role}: {error}")

    one()


def _lead(case: Asked, draw: random.Random, wanted: Wanted) -> None:
    """Make most cases use objects that exist. Never use the accounts that send the requests."""
    parameters = case.path_parameters or {}
    for name in parameters:
        if name == "account":
            parameters[name] = draw.choice(wanted.bystanders)
        elif name == "number" and "/grants/" in case.path:
            parameters[name] = draw.choice(wanted.grants)
        elif name in KNOWN and draw.random() < 2 / 3:
            parameters[name] = draw.choice(KNOWN[name])
    if isinstance(case.body, dict):
        if "account" in case.body:
            case.body["account"] = draw.choice(wanted.bystanders)
        if isinstance(case.body.get("ban"), str):
            case.body["ban"] = "ghent/tiktok"
        if isinstance(case.body.get("authority"), str):
            case.body["authority"] = draw.choice(KNOWN["slug"])
    if draw.random() < 3 / 4:
        # The API refuses a made-up token, and soon limits its address.
        case.headers.pop("Authorization", None)
    if case.method == "GET" and draw.random() < 1 / 6:
        case.headers["If-None-Match"] = "*"
    elif draw.random() < 2 / 3:
        for name in ("If-Match", "If-None-Match"):
            case.headers.pop(name, None)


def _examples(operation: Operation) -> Mapping[str | None, Any]:
    """Return the example request bodies of the description, by media type."""
    contents = operation.definition.raw.get("requestBody", {}).get("content", {})
    return {name: content["example"] for name, content in contents.items()}


@schemathesis.serializer("application/toml")
def _toml(_context: Any, value: Any) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace")


if __name__ == "__main__":
    reported = ask_all(Wanted(**json.load(sys.stdin)))
    print(json.dumps({"asked": reported.asked, "faults": reported.faults}))
