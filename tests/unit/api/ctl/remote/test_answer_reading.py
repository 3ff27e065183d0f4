"""Answers are read with the API's schemas, including those of older and newer control planes."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from api.audit.schemas import AuditRead
from api.authorities.schemas import AuthorityRead
from api.bans.schemas import BanRead, EndingRead
from api.ctl.remote.answer_reading import Problem, answer_of
from api.http.schemas import Page, Read, ServiceSlug
from api.nodes.schemas import NodeSuspensionRead, UnregisteredRead
from api.ranges.schemas import RangeRead
from api.server.schemas import ReadinessRead
from api.services.schemas import ServiceSummary
from dnsfilter.policy.model import Audience
from tests.unit.api.ctl.conftest import answered_authority

RANGE = {
    "site": "default",
    "prefix": "192.0.2.0/24",
    "authority": "ghent",
    "funding": "public",
    "audience": "staff",
    "label": "",
    "revision": 1,
}
ENTRY = {
    "seq": 1,
    "time": "2026-11-25T10:00:00Z",
    "account": 0,
    "access": "a",
    "request": "",
    "act": "a",
    "object": "o",
    "authorities": [],
    "before": None,
    "after": None,
    "revision": 1,
    "previous": "0",
    "hash": "1",
}


def _read(schema: type[BaseModel], answer: Mapping[str, Any]) -> Any:
    return answer_of(schema).model_validate_json(json.dumps(answer))


@pytest.mark.parametrize("schema", [BanRead, AuthorityRead, Page[RangeRead], UnregisteredRead, ServiceSummary, Problem])
def test_an_answer_has_the_fields_of_the_schema_in_their_order(schema: type[BaseModel]) -> None:
    read = answer_of(schema)
    assert list(read.model_fields) == list(schema.model_fields)
    assert issubclass(read, schema)
    assert answer_of(schema) is read


def test_fields_that_a_newer_control_plane_adds_are_kept_at_every_depth() -> None:
    page = {"items": [{**RANGE, "more": {"a": [1]}}], "next": None, "count": 1}
    found = _read(Page[RangeRead], page)
    assert isinstance(found.items[0], RangeRead)
    assert found.model_dump(mode="json") == page


def test_words_that_a_newer_control_plane_adds_are_shown() -> None:
    found = _read(RangeRead, {**RANGE, "funding": "donated"})
    assert (found.funding, found.audience) == ("donated", Audience.STAFF)
    assert found.audience is Audience.STAFF
    assert found.model_dump(mode="json") == {**RANGE, "funding": "donated"}
    assert _read(AuthorityRead, answered_authority("ghent", state="paused")).state == "paused"
    ending = {"at": "2026-11-25T10:00:00Z", "what": "pause", "days": 60, "days_left": 50}
    assert _read(EndingRead, ending).model_dump(mode="json") == ending


def test_field_that_an_older_control_plane_omits_is_null_if_allowed() -> None:
    found = _read(ReadinessRead, {"ready": True, "database": True})
    assert (found.ready, found.reason, found.nodes) == (True, None, None)
    with pytest.raises(ValidationError, match="database"):
        _read(ReadinessRead, {"ready": True})


class Bounded(Read):
    """A name with a pattern."""

    service: ServiceSlug


def test_texts_are_not_checked_again() -> None:
    assert _read(Bounded, {"service": "\x1b]0;"}).service == "\x1b]0;"


@pytest.mark.parametrize(
    ("field", "value"),
    [("revision", "1"), ("revision", 1.0), ("revision", 2**63), ("revision", None), ("label", 1), ("funding", 1)],
)
def test_a_value_of_another_type_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        _read(RangeRead, {**RANGE, field: value})


@pytest.mark.parametrize("at", ["2026-11-25T10:00:00", "yesterday", "9999-12-31T23:00:00Z", "0001-01-01T00:00:00Z", ""])
def test_timestamp_that_cannot_be_shown_is_refused(at: str) -> None:
    assert _read(AuditRead, ENTRY).seq == 1
    with pytest.raises(ValidationError, match="time"):
        _read(AuditRead, {**ENTRY, "time": at})
    with pytest.raises(ValidationError, match="until"):
        _read(NodeSuspensionRead, {"authority": None, "until": at})
