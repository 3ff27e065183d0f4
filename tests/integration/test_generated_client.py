"""The client that openapi-python-client generates from the running API's own description, in use."""

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests.support.control_planes import Api
from tests.support.nodes import START_S, program

NAME = "made_client"


class Made:
    """A generated client of a running API, and the output of the generator."""

    def __init__(self, api: Api, directory: Path) -> None:
        self.api = api
        self.description = httpx.get(f"{api.url}/openapi.json", timeout=START_S).json()
        settings = directory / "settings.yaml"
        settings.write_text("post_hooks: []\n")  # otherwise ruff formats it for seconds
        self.directory = directory / NAME
        said = subprocess.run(
            [
                *(program("openapi-python-client"), "generate", "--url", f"{api.url}/openapi.json", "--meta", "none"),
                *("--config", str(settings), "--output-path", str(self.directory)),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        self.said = said.stdout + said.stderr
        sys.path.insert(0, str(directory))
        try:
            self.models = importlib.import_module(f"{NAME}.models")
            self.modules = {path.stem: self._module(path) for path in self.directory.glob("api/*/*.py")}
            client = importlib.import_module(f"{NAME}.client")
        finally:
            sys.path.remove(str(directory))
        self.client = client.AuthenticatedClient(base_url=api.url, token=api.token(), raise_on_unexpected_status=True)

    def _module(self, path: Path) -> ModuleType:
        return importlib.import_module(f"{NAME}.api.{path.parent.name}.{path.stem}")

    def __call__(self, operation: str, kind: str, *path: object, **given: object) -> Any:
        """Call an operation. Return its answer, which must be of the given kind."""
        answer = self.modules[operation].sync(*path, client=self.client, **given)
        assert type(answer).__name__ == kind, answer
        return answer


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    directory = tmp_path_factory.mktemp("generated")
    with Api(directory / "api", "") as api:
        client = Made(api, directory)
        with client.client:
            yield client
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def test_no_model_and_no_operation_is_dropped(made: Made) -> None:
    assert "Unable to" not in made.said
    assert "Endpoint will not be generated" not in made.said
    paths = made.description["paths"]
    operations = {f"{verb.upper()} {path}": found for path, item in paths.items() for verb, found in item.items()}
    assert {found["operationId"] for found in operations.values()} <= set(made.modules)
    classes = {name.lower() for name in vars(made.models)}
    assert {re.sub(r"\W|_", "", name).lower() for name in made.description["components"]["schemas"]} <= classes
    files = {name for name, found in operations.items() if _has_file(found)}
    assert set(re.findall(r"WARNING parsing (\w+ \S+) within", made.said)) <= files, "JSON is warned of"


def _has_file(operation: dict[str, Any]) -> bool:
    return bool(re.search(r'"(text/(csv|plain)|application/(toml|jsonl|zip))": ', json.dumps(operation)))


def _register(made: Made) -> None:
    models = made.models
    names = models.AuthorityWriteNames.from_dict({"nl": "Stad Gent"})
    town = {"kind": models.Kind.MUNICIPALITY, "names": names, "languages": ["nl"], "contact": "ict@ghent.example"}
    assert made("put_authority", "AuthorityRead", "ghent", body=models.AuthorityWrite(**town)).closes is None
    assert [item.slug for item in made("list_authorities", "PageAuthorityRead").items] == ["ghent"]
    shape = {"authority": "ghent", "funding": models.Funding.PUBLIC, "audience": models.Audience.STAFF}
    made("put_range", "RangeWritten", "default", "127.0.5.0", 24, body=models.RangeWrite(**shape))
    rows = models.RangesWrite(rows=[models.RangeRowWrite(prefix="127.0.6.0/24", **shape)])
    assert made("import_ranges", "ImportRead", body=rows).registered == 1


def _ban(made: Made) -> None:
    models = made.models
    decision = models.DecisionWrite(legal_basis="decree 1", reference="C-1", date=date(2026, 9, 21))
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=90)
    ban = models.BanWrite(mode=models.Mode.ENFORCE, decision=decision, terms=[models.TermWrite(end=until)])
    made("put_ban", "BanRead", "ghent", "tiktok", body=ban)
    read = made("get_ban", "BanRead", "ghent", "tiktok")
    assert (read.terms[0].end, read.decision.date, read.state) == (until, date(2026, 9, 21), models.State.IN_FORCE)


def test_it_registers_bans_asks_and_reads_typed_answers(made: Made) -> None:
    models, begun = made.models, datetime.now(UTC) - timedelta(minutes=5)
    assert made("health", "HealthRead").status == "ok"
    _register(made)
    _ban(made)
    answer = made("get_decision", "DecisionRead", client_query="127.0.5.10", name="www.tiktok.com")
    assert (answer.verdict, answer.winner.authority, answer.at > begun) == ("refuse", "ghent", True)
    who = made("get_who", "WhoRead", address="127.0.6.10")
    assert (who.authority, who.bans[0].ban, who.suspension) == ("ghent", "ghent/tiktok", None)
    changed = made("patch_ban", "BanRead", "ghent", "tiktok", body=models.BanWrite(mode=models.Mode.MONITOR))
    assert (changed.mode, changed.mode_set > begun) == (models.Mode.MONITOR, True)

    entries = made("list_audit", "PageAuditRead", since=begun, act="ban").items
    assert [entry.act for entry in entries] == ["ban.set_monitor", "ban.adopt"]
    assert all(entry.time > begun for entry in entries)
    revision = made("get_revision", "RevisionRead", changed.revision)
    assert [change.object_ for change in revision.changes.items] == ["ban/ghent/tiktok"]
    traced = made("get_trace", "TraceRead", client_query="127.0.5.10", name="www.tiktok.com", at=datetime.now(UTC))
    assert (traced.decision.verdict, traced.publication.since > begun) == ("monitor", True)

    exported = made("export_policy_json", "PolicyRead")
    same = models.PolicyWrite(policy=exported.policy)
    assert made("diff_policy", "DifferenceRead", body=same).acts == []
    assert made("apply_policy", "AppliedRead", body=same).revision == exported.revision == changed.revision


def test_what_is_refused_is_a_typed_problem(made: Made) -> None:
    problem = made("get_authority", "ProblemRead", "nobody")
    assert (problem.status, problem.type_) == (404, "/problems/not-found")
