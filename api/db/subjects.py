"""The names of objects in the audit log, by their rows."""

from collections.abc import Mapping

from api.db.base import Base
from api.db.models import (
    AccountRow,
    AllowedNameRow,
    AuthorityRow,
    BanRow,
    BindingRow,
    CaptureRow,
    ExemptionRow,
    FeedRow,
    FleetNameRow,
    GrantRow,
    ListLinkRow,
    LoadedCatalogueRow,
    NodeRow,
    ObjectionRow,
    PasskeyRow,
    PeerRow,
    ProhibitedListRow,
    RangeRow,
    RequestRow,
    ServiceRow,
    SiteRow,
    SpaceRow,
    SuspensionRow,
    TokenRow,
    UpdateRow,
)

_PARTS: Mapping[type[Base], tuple[str, ...]] = {
    AccountRow: ("account", "id"),
    AllowedNameRow: ("name", "authority", "name"),
    AuthorityRow: ("authority", "slug"),
    BanRow: ("ban", "authority", "service"),
    BindingRow: ("binding", "number"),
    CaptureRow: ("capture", "number"),
    ExemptionRow: ("exemption", "number"),
    FeedRow: ("feed", "service"),
    FleetNameRow: ("fleet_name", "number"),
    GrantRow: ("grant", "number"),
    LoadedCatalogueRow: ("catalogue", "number"),
    ListLinkRow: ("list_link", "number"),
    NodeRow: ("node", "name"),
    ObjectionRow: ("objection", "service", "name"),
    PasskeyRow: ("passkey", "number"),
    PeerRow: ("peer", "name"),
    ProhibitedListRow: ("list", "authority", "slug"),
    RangeRow: ("range", "site", "prefix"),
    RequestRow: ("request", "number"),
    ServiceRow: ("service", "slug"),
    SiteRow: ("site", "slug"),
    SpaceRow: ("space", "site", "prefix"),
    SuspensionRow: ("suspension", "number"),
    TokenRow: ("token", "id"),
    UpdateRow: ("update", "number"),
}
"""The kind of an object, and the columns that identify it."""


def subject(row: Base) -> str:
    """Return the name of an object, such as `ban/ghent/tiktok`."""
    kind, *columns = _PARTS[type(row)]
    return "/".join((kind, *(str(getattr(row, column)) for column in columns)))
