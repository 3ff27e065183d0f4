"""What the client reads is what the API writes."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from api.accounts import schemas as accounts
from api.audit.schemas import AuditRead, CheckpointRead
from api.authorities.schemas import AuthorityRead
from api.bans.schemas import BanRead, BanWarningRead, EndingRead, FormalRead, TermRead
from api.bindings.schemas import BindingRead
from api.ctl import answers, decisions, past, people, policies
from api.exemptions.schemas import ExemptionRead
from api.onboarding.schemas import OnboardingRead, StepRead
from api.policies.schemas import ActRead, AppliedRead, DifferenceRead
from api.publish import schemas as publish
from api.ranges.schemas import GapRead, HolderRead, ImportProgressRead, ImportRead, OverlapRead, RangeRead, SiteRead
from api.revisions import schemas as revisions
from api.schemas import FaultRead, ProblemRead
from api.services import schemas as services
from api.spaces.schemas import SpaceRead
from api.system.schemas import ReadinessRead, VersionRead
from api.trace import schemas as trace


@pytest.mark.parametrize(
    ("read", "written"),
    [
        (answers.Fault, FaultRead),
        (answers.Problem, ProblemRead),
        (answers.Authority, AuthorityRead),
        (answers.Site, SiteRead),
        (answers.Range, RangeRead),
        (answers.ServiceSummary, services.ServiceSummary),
        (answers.Service, services.ServiceRead),
        (answers.Tier, services.TierRead),
        (answers.Source, services.SourceRead),
        (decisions.Decision, FormalRead),
        (decisions.Term, TermRead),
        (decisions.Ending, EndingRead),
        (decisions.Ban, BanRead),
        (decisions.BanWarning, BanWarningRead),
        (decisions.Binding, BindingRead),
        (decisions.Exemption, ExemptionRead),
        (answers.Explanation, publish.DecisionRead),
        (answers.Winner, publish.WinnerRead),
        (answers.Considered, publish.ConsideredRead),
        (answers.Ahead, publish.AheadRead),
        (answers.Place, publish.PlaceRead),
        (answers.Who, publish.WhoRead),
        (answers.Concern, publish.ConcernRead),
        (answers.Nested, publish.NestedRead),
        (answers.Allotted, publish.AllottedRead),
        (answers.Overlap, OverlapRead),
        (answers.Holder, HolderRead),
        (answers.Gap, GapRead),
        (answers.Import, ImportRead),
        (answers.Onboarding, OnboardingRead),
        (answers.OnboardingStep, StepRead),
        (answers.ImportProgress, ImportProgressRead),
        (answers.Act, ActRead),
        (policies.Difference, DifferenceRead),
        (policies.Applied, AppliedRead),
        (answers.Entry, AuditRead),
        (answers.Checkpoint, CheckpointRead),
        (past.Publication, trace.PublicationRead),
        (past.TracedAct, trace.TracedActRead),
        (past.Listed, trace.ListedRead),
        (past.Trace, trace.TraceRead),
        (past.Revision, revisions.RevisionSummary),
        (past.Change, revisions.ChangeRead),
        (past.RevisionWhole, revisions.RevisionRead),
        (past.RolledBack, revisions.RollbackRead),
        (people.Account, accounts.AccountRead),
        (people.Grant, accounts.GrantRead),
        (people.Token, accounts.TokenRead),
        (people.TokenMade, accounts.TokenMade),
        (people.Held, accounts.HeldRead),
        (people.Oneself, accounts.SelfRead),
        (people.FailedTry, accounts.FailedTryRead),
        (people.Space, SpaceRead),
        (answers.Version, VersionRead),
        (answers.Readiness, ReadinessRead),
    ],
)
def test_the_api_has_every_field_that_is_read(read: type[BaseModel], written: type[BaseModel]) -> None:
    assert read.model_fields.keys() - written.model_fields.keys() == set()


@pytest.mark.parametrize("at", ["2026-11-25T10:00:00", "yesterday", "9999-12-31T23:00:00Z", "0001-01-01T00:00:00Z", ""])
def test_an_instant_that_could_not_be_shown_is_refused(at: str) -> None:
    fields: dict[str, Any] = {"seq": 1, "account": 0, "access": "a", "request": "", "act": "a", "object": "o"}
    fields |= {"authorities": [], "before": None, "after": None, "revision": 1, "previous": "0", "hash": "1"}
    assert answers.Entry.model_validate({**fields, "time": "2026-11-25T10:00:00Z"}).seq == 1
    with pytest.raises(ValidationError, match="time"):
        answers.Entry.model_validate({**fields, "time": at})
