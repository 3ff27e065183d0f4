"""The running API gets requests inside and outside its own description, from every kind of caller."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import httpx
import pytest
import schemathesis
from schemathesis.core.failures import Failure, FailureGroup

from tests.support.control_planes import Api
from tests.support.described_requests import CHECKS, Wanted
from tests.support.long_runs import say
from tests.support.nodes import EXAMPLE, ROOT, START_S

pytestmark = pytest.mark.slow

CASES = 40
"""The number of described requests for each operation, and of other requests."""
ROLES = ("reader", "operator", "approver", "auditor", "administrator")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with Api(tmp_path_factory.mktemp("described"), EXAMPLE.read_text(encoding="utf-8")) as running:
        yield running


def test_every_answer_is_as_described(api: Api) -> None:
    reported = _asked(_wanted(api))
    asked = {int(status): count for status, count in reported["asked"].items()}
    say(f"answers by status: {dict(sorted(asked.items()))}")
    faults = "\n\n".join(f"{what}: {text}" for what, text in sorted(reported["faults"].items()))
    assert not reported["faults"], f"{faults}\n{api.log.read_text()[-4000:]}"
    assert {200, 201, 401, 403, 404, 422} <= set(asked)


def test_an_answer_that_is_not_described_is_a_fault(api: Api) -> None:
    reported = httpx.get(f"{api.url}/openapi.json", timeout=START_S).json()
    reported["components"]["schemas"]["VersionRead"]["properties"]["version"]["type"] = "integer"
    del reported["paths"]["/healthz"]["get"]["responses"]["200"]
    described = schemathesis.openapi.from_dict(reported)
    for path in ("/version", "/healthz"):
        case = described[path]["GET"].Case()
        answer = case.call(base_url=api.url)
        with pytest.raises((FailureGroup, Failure)):
            case.validate_response(answer, checks=CHECKS)


def _wanted(api: Api) -> Wanted:
    with httpx.Client(base_url=api.url, headers={"Authorization": f"Bearer {api.token()}"}) as client:
        tokens = {role: _account(client, f"the-{role}", role)[2] for role in ROLES}
        others = [_account(client, f"bystander-{number}", "reader") for number in range(4)]
    return Wanted(api.url, CASES, tokens, tuple(other[0] for other in others), tuple(other[1] for other in others))


def _asked(wanted: Wanted) -> Any:
    # The order of hashes determines which examples are drawn.
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    command = [sys.executable, "-m", "tests.support.described_requests"]
    given = json.dumps(asdict(wanted))
    done = subprocess.run(command, input=given, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _account(client: httpx.Client, login: str, role: str) -> tuple[int, int, str]:
    """Create an account with the role, in Ghent for a role of an authority. Return its number, grant and token."""
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
