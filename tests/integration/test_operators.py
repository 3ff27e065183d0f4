"""Fifty operators at once on one control plane, with nodes that follow: every act is kept, and none is invented."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.control_planes import Api, Follower
from tests.support.knot import Knot
from tests.support.long_runs import drawn_seed, say
from tests.support.many_authorities import NAME, SERVICE, body_of, client_of, policy_text
from tests.support.nodes import eventually

LOAD_S = 30
OPERATORS, AUTHORITIES, READERS, NODES = 50, 25, 3, 2
MODES = ("off", "monitor", "enforce")
OVERLOADED = "/problems/overloaded"
SAY_EVERY_S = 10

Json = dict[str, Any]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("alone")]


@dataclass(frozen=True)
class Operator:
    """An account: its token, its authorities, and whether it acts only on the current revision that it read."""

    token: str
    authorities: Sequence[int]
    careful: bool


@dataclass(frozen=True)
class Done:
    """An act that got a successful answer. `seen` is the ban's revision that a careful operator acted on."""

    request: str
    body: int
    mode: str
    revision: int
    seen: int | None


@dataclass
class Report:
    """The answers to all operators and readers."""

    done: list[Done] = field(default_factory=list)
    stale: int = 0
    faults: list[str] = field(default_factory=list)
    read: int = 0


class Crowd:
    """Operators and readers that use one control plane at once for a time."""

    def __init__(self, api: Api, seed: int) -> None:
        self._api = api
        self._seed = seed
        self._until = 0.0
        self.reported = Report()

    async def run(self) -> None:
        most = OPERATORS + READERS
        # The client closes idle connections first. The server closes them after 5 s, perhaps during a request.
        limits = httpx.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=2)
        async with httpx.AsyncClient(base_url=self._api.url, timeout=60, limits=limits) as client:
            self._client = client
            operators = await asyncio.gather(*(self._hire(number) for number in range(OPERATORS)))
            self._until = time.monotonic() + LOAD_S
            await asyncio.gather(
                *(self._operate(number, operator) for number, operator in enumerate(operators)),
                *(self._read(number) for number in range(READERS)),
                self._say(),
            )

    async def ask(self, method: str, path: str, token: str, body: Json | None = None, **headers: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", **headers}
        return await self._client.request(method, path, json=body, headers=headers)

    async def _hire(self, number: int) -> Operator:
        """Create an operator. Every authority has two operators, and every fifth operator has a second authority."""
        authorities = [number % AUTHORITIES, *([(number + 1) % AUTHORITIES] if number % 5 == 0 else [])]
        token = self._api.token()
        made = await self._made("/v1/accounts", token, {"kind": "service", "login": f"op-{number}", "name": "operator"})
        account = made["number"]
        for body in authorities:
            grant = {"account": account, "role": "operator", "authority": body_of(body), "reason": "for a test"}
            await self._made("/v1/grants", token, grant)
        made = await self._made(f"/v1/accounts/{account}/tokens", token, {"label": "test", "for": "1 day"})
        return Operator(made["token"], authorities, number % 2 == 1)

    async def _made(self, path: str, token: str, body: Json) -> Any:
        answer = await self.ask("POST", path, token, body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def _operate(self, number: int, operator: Operator) -> None:
        draw = random.Random(f"{self._seed} {number}")
        while time.monotonic() < self._until:
            body, mode = draw.choice(operator.authorities), draw.choice(MODES)
            path = f"/v1/authorities/{body_of(body)}/bans/{SERVICE}"
            headers, seen = {}, None
            if operator.careful:
                found = await self.ask("GET", path, operator.token)
                headers, seen = {"If-Match": found.headers["ETag"]}, found.json()["revision"]
            answer = await self.ask("PATCH", path, operator.token, {"mode": mode}, **headers)
            if answer.status_code == 200:
                reported = answer.json()
                assert reported["mode"] == mode
                self.reported.done.append(Done(answer.headers["X-Request-ID"], body, mode, reported["revision"], seen))
            elif answer.status_code == 503 and answer.json()["type"] == OVERLOADED:
                # A slow machine refuses some of them. Nothing was done, which the audit log shows below.
                await asyncio.sleep(int(answer.headers["Retry-After"]))
            elif answer.status_code == 412 and operator.careful:
                self.reported.stale += 1
            else:
                self.reported.faults.append(f"{answer.status_code} {answer.text}")

    async def _read(self, number: int) -> None:
        """Check that the revisions that a reader sees never decrease."""
        draw = random.Random(f"{self._seed} reader {number}")
        newest: dict[str, int] = defaultdict(int)
        token = self._api.token()
        while time.monotonic() < self._until:
            body = body_of(draw.randrange(AUTHORITIES))
            complete = (await self.ask("GET", "/readyz", token)).json()
            ban = (await self.ask("GET", f"/v1/authorities/{body}/bans/{SERVICE}", token)).json()
            last = (await self.ask("GET", "/v1/audit?limit=1", token)).json()["items"][0]
            for what, revision in (
                ("database", complete["revision"]),
                ("published", complete["published"]),
                (body, ban["revision"]),
                ("seq", last["seq"]),
            ):
                assert revision >= newest[what], what
                newest[what] = revision
            self.reported.read += 1

    async def _say(self) -> None:
        while (left_s := self._until - time.monotonic()) > 0:
            await asyncio.sleep(min(SAY_EVERY_S, left_s))
            done, stale, read = len(self.reported.done), self.reported.stale, self.reported.read
            say(f"{done} acts accepted, {stale} too late, {read} readings")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with Api(tmp_path / "api", policy_text(AUTHORITIES)) as running:
        yield running


@pytest.fixture
def nodes(tmp_path: Path, api: Api, authority: Knot) -> Iterator[list[Follower]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(Follower(tmp_path / f"node-{number}", authority.hostport, api.state / "snapshots"))
            for number in range(NODES)
        ]


def test_no_act_of_many_operators_is_lost_and_the_nodes_end_where_the_record_does(
    api: Api, nodes: list[Follower]
) -> None:
    with httpx.Client(base_url=api.url, headers={"Authorization": f"Bearer {api.token()}"}, timeout=60) as client:
        first = bans_of(client)
        crowd = Crowd(api, drawn_seed())
        asyncio.run(crowd.run())
        reported = crowd.reported
        assert reported.faults == []
        last = bans_of(client)
        entries = toggles(client)
        revision = client.get("/readyz").json()["revision"]
    assert {ban["mode"] for ban in first.values()} == {"enforce"}
    for body in range(AUTHORITIES):
        follow(first[body_of(body)], last[body_of(body)], entries[body_of(body)])
    compare(reported.done, entries, {number: first[body_of(number)] for number in range(AUTHORITIES)})
    assert {act.seen is None for act in reported.done} == {True, False}
    assert reported.read > 0
    for node in nodes:
        assert reaches(node, revision)
        for body in range(AUTHORITIES):
            refused = last[body_of(body)]["mode"] == "enforce"
            assert (node.dig(NAME, bind=client_of(body)).rcode == "REFUSED") is refused


def reaches(node: Follower, revision: int) -> bool:
    """Return whether a node reaches that revision."""
    return eventually(lambda: node.metrics()["dnsfilter_snapshot_revision"] == revision)


def bans_of(client: httpx.Client) -> dict[str, Json]:
    """Return every ban by authority."""
    return {ban["authority"]: ban for ban in client.get("/v1/bans", params={"limit": 200}).json()["items"]}


def toggles(client: httpx.Client) -> dict[str, list[Json]]:
    """Return the audit entries of acts by accounts on each authority's ban, oldest first."""
    found: dict[str, list[Json]] = defaultdict(list)
    for body in range(AUTHORITIES):
        query: dict[str, str | int] = {"object": f"ban/{body_of(body)}/{SERVICE}", "limit": 200}
        while True:
            page = client.get("/v1/audit", params=query).json()
            found[body_of(body)] += [entry for entry in page["items"] if entry["account"] != 0]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        found[body_of(body)].reverse()
    return found


def follow(first: Json, last: Json, entries: Sequence[Json]) -> None:
    """Check that each act begins where the previous one ended."""
    mode, revision = first["mode"], first["revision"]
    for entry in entries:
        assert entry["before"]["mode"] == mode
        assert entry["after"]["mode"] != mode
        assert entry["revision"] > revision
        mode, revision = entry["after"]["mode"], entry["revision"]
    assert (last["mode"], last["revision"]) == (mode, revision)


def compare(done: Sequence[Done], entries: Mapping[str, Sequence[Json]], first: Mapping[int, Json]) -> None:
    """Check that the audit log agrees with the answers. Careful operators must overwrite only what they saw."""
    recorded = {entry["request"]: entry for of_ban in entries.values() for entry in of_ban}
    assert recorded.keys() <= {act.request for act in done}
    before, mode_at = {}, {}
    for body, ban in first.items():
        revision = ban["revision"]
        mode_at[body, revision] = ban["mode"]
        for entry in entries[body_of(body)]:
            before[entry["request"]] = revision
            revision = entry["revision"]
            mode_at[body, revision] = entry["after"]["mode"]
    for act in done:
        # An act that does not change the mode succeeds without an entry.
        assert mode_at[act.body, act.revision] == act.mode
        found = recorded.get(act.request)
        if found is not None:
            assert (found["after"]["mode"], found["revision"]) == (act.mode, act.revision)
        if act.seen is not None:
            assert act.seen == (act.revision if found is None else before[act.request])
