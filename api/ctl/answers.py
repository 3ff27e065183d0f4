"""The API's answers as this client reads them.

Fields that a newer control plane adds are kept, so that `--json` shows them; words are plain texts, not enumerations,
so that a new one is shown rather than refused.
"""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_ITEMS = 10_000


def _checked_moment(text: str) -> str:
    at = datetime.fromisoformat(text)
    # A day more or less, as a zone's offset adds, stays a date.
    if at.tzinfo is None or not 1900 <= at.year <= 9000:
        raise ValueError("no instant with a zone from 1900 to 9000")
    return text


Moment = Annotated[str, AfterValidator(_checked_moment)]
"""RFC 3339 with a zone."""

Item = TypeVar("Item", bound="Answer")
Number = Annotated[int, Field(ge=0, le=2**63 - 1)]


class Answer(BaseModel):
    """A JSON object; unknown fields are kept, wrong types are errors."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)


class Page(Answer, Generic[Item]):
    """A part of a list; `next` is the cursor of the following part."""

    items: Annotated[list[Item], Field(max_length=MAX_ITEMS)]
    next: str | None


class Fault(Answer):
    """One thing wrong in a request or a file."""

    place: str
    message: str


class Problem(Answer):
    """RFC 9457 problem details."""

    type: str
    title: str
    detail: str = ""
    faults: list[Fault] = []


class Decided(Answer):
    """A formal decision: of an authority, to close it."""

    organ: str
    reference: str
    date: str
    legal_basis: str
    advice: str
    link: str


class Authority(Answer):
    """A public body."""

    slug: str
    kind: str
    names: dict[str, str]
    languages: list[str]
    time_zone: str
    contact: str
    usage: str
    group: str
    off_needs_reason: bool = False
    off_needs_approver: bool = False
    state: str = "open"
    closes: Moment | None = None
    closed_reason: str = ""
    closed_decision: Decided | None = None
    successor: str | None = None
    revision: Number

    @property
    def name(self) -> str:
        """The name in the first of its languages that has one, else the slug."""
        return next((self.names[tag] for tag in self.languages if tag in self.names), self.slug)


class Site(Answer):
    """A network with an address plan of its own."""

    slug: str
    name: str
    revision: Number


class Range(Answer):
    """A prefix registered to an authority at a site."""

    site: str
    prefix: str
    authority: str
    funding: str
    audience: str
    label: str
    revision: Number


class ServiceSummary(Answer):
    """A service in a list."""

    slug: str
    name: str
    category: str
    reviewed: str
    tiers: list[int]
    names: Number


class Tier(Answer):
    """One tier of a service."""

    number: int
    title: str
    description: str
    domains: list[str]
    hosts: list[str]


class Source(Answer):
    """Where names of a service come from."""

    id: str
    what: str
    licence: str
    revision: str


class Service(Answer):
    """A service with every name of it."""

    slug: str
    name: str
    category: str
    reviewed: str
    sources: list[Source]
    tiers: list[Tier]


class Suspended(Answer):
    """That nothing is refused for a client's authority, or for all, until an instant."""

    number: Number
    authority: str | None
    until: Moment
    reason: str


class Winner(Answer):
    """The ban that decides, and the name of it that matched."""

    ban: str
    ban_number: Number
    authority: str
    service: str
    mode: str
    reply: str
    bound: bool
    suffix: str
    reference: str = ""


class Ahead(Answer):
    """An approved exemption that will set a ban aside."""

    number: Number
    hours: list[str]
    next: Moment


class Considered(Answer):
    """One ban considered, and why it bears on the query or does not."""

    ban: str
    ban_number: Number
    authority: str
    service: str
    mode: str
    bound: bool
    standing: str
    suffix: str | None
    binding: Number | None
    exemption: Number | None
    ahead: Ahead | None = None


class Place(Answer):
    """The range that a client is in."""

    site: str
    prefix: str
    label: str
    funding: str
    audience: str


class Explanation(Answer):
    """What the policy says for a client, a name and an instant."""

    verdict: str
    rcode: str
    ede: int | None
    text: str | None
    reason: str
    winner: Winner | None
    rows: list[Considered]
    services: list[str]
    range: Place | None
    authority: str | None
    suspension: Suspended | None = None
    client: str
    site: str
    name: str
    at: Moment
    revision: Number


class Concern(Answer):
    """A ban that concerns a range's authority, and where it stands for this range."""

    ban: str
    ban_number: Number
    authority: str
    service: str
    mode: str
    bound: bool
    standing: str
    reference: str | None = None
    ahead: Ahead | None = None


class Nested(Answer):
    """A range that holds an address."""

    prefix: str
    authority: str
    label: str
    funding: str
    audience: str


class Allotted(Answer):
    """Space that holds an address."""

    prefix: str
    authority: str


class Who(Answer):
    """Whose an address is, and what is banned there."""

    address: str
    site: str
    range: Place | None
    nesting: list[Nested] = []
    space: Allotted | None = None
    authority: str | None
    names: dict[str, str]
    contact: str | None
    suspension: Suspended | None = None
    bans: list[Concern]
    at: Moment
    revision: Number


class Holder(Answer):
    """A range that holds another."""

    prefix: str
    authority: str
    label: str


class Overlap(Answer):
    """A range inside another; `within` is null where that is not to be seen."""

    site: str
    prefix: str
    authority: str
    label: str
    within: Holder | None


class Gap(Answer):
    """Part of allotted space that no range covers, whose ever it is."""

    site: str
    prefix: str
    space: str
    authority: str


class Act(Answer):
    """One act that follows from a policy file."""

    act: str
    object: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class OnboardingStep(Answer):
    """One step of what an authority needs."""

    step: str
    done: bool
    found: str
    todo: str


class Onboarding(Answer):
    """What an authority has of what it needs."""

    authority: str
    state: str
    closes: Moment | None
    complete: bool
    steps: list[OnboardingStep]


class Import(Answer):
    """What an import of ranges has done, or would do."""

    dry_run: bool
    withheld: str
    registered: Number
    changed: Number
    removed: Number
    unchanged: Number
    changes: list[Act]
    more: Number
    revision: Number


class ImportProgress(Answer):
    """How far an import is."""

    stage: str
    done: Number
    total: Number


class Entry(Act):
    """One entry of the audit."""

    seq: Number
    time: Moment
    account: Number
    access: str
    token: Number | None = None
    request: str
    authorities: list[str]
    revision: Number
    previous: str
    hash: str


class Checkpoint(Answer):
    """A signed statement that an entry of the record has a hash."""

    checkpoint: Number
    installation: str
    seq: Number
    hash: str
    time: Moment
    key: str
    signature: str
    delivered: list[str]


class Version(Answer):
    """The control plane's version."""

    version: str


class Readiness(Answer):
    """Whether acts can be recorded and the database's revision is in force; if not, `reason` says why."""

    ready: bool
    reason: str | None = None
    database: bool
    revision: Number | None
    published: Number | None
    suspensions: Number | None = None
    nodes: Number | None = None
    nodes_in_force: Number | None = None
