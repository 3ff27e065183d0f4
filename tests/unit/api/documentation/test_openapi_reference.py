"""docs/reference/api.md: its examples are run, and its table of problems is complete."""

import json
import re
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.events.webhook_signature import secret_text, signed_headers
from api.http.problems import KINDS
from blocklists.catalogue import Catalogue
from tests.support.documents import blocks, commands, rows_of_table, text
from tests.unit.api.conftest import Plane, make_plane

API = "docs/reference/api.md"
BAN = "/v1/authorities/ghent/bans/tiktok"
STATUSES = [200, 200, 200, 200, 201, 412, 200, 200, 200, 200, 200, 202, 200, 200, 200, 201]
"""The statuses of the answers to the page's requests, in order."""


@pytest.fixture
def ghent(tmp_path: Path, packaged: Catalogue) -> Iterator[Plane]:
    """Return a control plane with what the examples need: an authority, a range and a ban on TikTok."""
    plane = make_plane(tmp_path / "state", packaged)
    plane.publisher.publish_current()
    authority = {
        "kind": "municipality",
        "names": {"nl": "Stad Gent"},
        "languages": ["nl"],
        "contact": "ict@example.org",
    }
    plane.done("PUT", "/v1/authorities/ghent", {**authority, "usage": "authority"})
    plane.done(
        "PUT", "/v1/ranges/default/127.0.5.0/24", {"authority": "ghent", "funding": "public", "audience": "staff"}
    )
    decision = {"organ": "council", "reference": "C-1", "date": "2026-09-21", "legal_basis": "decree 1"}
    plane.done("PUT", BAN, {"mode": "enforce", "decision": decision, "terms": [{"for": "6 months"}]})
    yield plane
    plane.database.close()


@pytest.mark.heavy
def test_the_examples_of_the_page_work_one_after_the_other(ghent: Plane) -> None:
    _, operator = ghent.account("desk", ("operator", "ghent"))
    meant = {
        "$API": "",
        "$AUTH": f"Authorization: Bearer {ghent.token}",
        "$OPERATOR": f"Authorization: Bearer {operator}",
        "$JSON": "Content-Type: application/json",
        "$BAN": BAN,
        "$KEY": "0b1f3c1e-7d0a-4c0f-9a55-2f3f0c6d9c1b",
    }
    answers = {}
    for words in commands(API):
        if words[0] == "curl":
            shown = " ".join(words)
            for name, value in meant.items():
                words = [word.replace(name, value) for word in words]
            answers[shown] = _answer(ghent, words[1:])
    assert [answer.status_code for answer in answers.values()] == STATUSES, list(answers.items())
    refused = next(answer for answer in answers.values() if answer.status_code == 412).json()
    printed = json.loads(blocks(API, "Change only what you have read", "text")[0].splitlines()[-1])
    assert {**refused, "request": ""} == {**printed, "request": ""}
    assert json.loads(blocks(API, "Handle errors", "json")[0]) in [
        answer.json() for shown, answer in answers.items() if "/problems/" in shown
    ]
    until = next(answer for shown, answer in answers.items() if "election night" in shown).json()
    for field in ("off_until", "returns_to"):
        assert f'`"{field}": "{until[field]}"`' in text(API)


def _answer(plane: Plane, words: list[str]) -> httpx.Response:
    parser = ArgumentParser()
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-X")
    parser.add_argument("-d")
    parser.add_argument("-i", action="store_true")
    parser.add_argument("path")
    given = parser.parse_args(words)
    # Nothing happens meanwhile for which a request could wait.
    headers = dict(header.split(": ", 1) for header in given.H if not header.startswith("Prefer: "))
    newest = plane.done("GET", "/readyz")["revision"]
    path = re.sub(r"(?<=/revisions/)\d+", str(newest), given.path)
    return plane.call(given.X or ("GET" if given.d is None else "POST"), path, headers=headers, content=given.d)


def test_the_receiver_of_webhooks_on_the_page_accepts_a_signed_request() -> None:
    body, secret = b'{"id": "act-28"}', b"k" * 32
    names: dict[str, Any] = {
        "secret": secret_text(secret),
        "body": body,
        "headers": signed_headers(secret, "act-28", 1_790_000_000, body),
    }
    receive = compile(f"import base64, hmac\n{blocks(API, 'Receive webhooks', 'python')[0]}", API, "exec")
    exec(receive, names)
    assert names["accepted"]
    names["body"] += b" "
    exec(receive, names)
    assert not names["accepted"]


def test_the_page_lists_every_type_of_problem() -> None:
    listed = {(row["status"], row["`type`"].strip("`")) for row in rows_of_table(API, "status")}
    assert listed == {(str(kind.status), f"/problems/{kind.slug}") for kind in KINDS.values()}
