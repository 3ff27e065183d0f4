"""The tables, one file per topic."""

from api.db.models.account import (
    AccountRow,
    AuthenticationFailureRow,
    GrantRow,
    NameRow,
    PasskeyRow,
    SignInLinkRow,
    TokenRow,
    UsedChallengeRow,
)
from api.db.models.audit_log import (
    AuditRow,
    CatalogueRow,
    CheckpointRow,
    HeldCheckpointRow,
    IdempotencyRow,
    InstallationRow,
    ListRow,
    MatterRow,
    PeerRow,
    PublicationRow,
    VersionRow,
)
from api.db.models.authority import AuthorityRow
from api.db.models.ban import BanRow, TermRow
from api.db.models.binding import BindingRow
from api.db.models.capture import CaptureRow
from api.db.models.event import EventCursorRow, WebhookRow
from api.db.models.exemption import ConcernRow, ExemptionRow
from api.db.models.loaded_catalogue import LoadedCatalogueRow
from api.db.models.name import AllowedNameRow
from api.db.models.network import FleetNameRow, RangeRow, SiteRow, SpaceRow
from api.db.models.node import NodeRow
from api.db.models.notice import NoticeRow
from api.db.models.prohibited_list import ListLinkRow, ListVersionRow, ProhibitedListRow
from api.db.models.request import RequestRow
from api.db.models.service import FeedRow, ServiceRow
from api.db.models.suspension import SuspensionRow
from api.db.models.update import ObjectionRow, UpdateRow
from api.db.models.usage import (
    BypassDayRow,
    CoverageDayRow,
    CoverageRow,
    PendingDayRow,
    UsageClientRow,
    UsageDayRow,
    UsageHourRow,
    UsageStreamRow,
)

__all__ = [
    "AccountRow",
    "AllowedNameRow",
    "AuditRow",
    "AuthenticationFailureRow",
    "AuthorityRow",
    "BanRow",
    "BindingRow",
    "BypassDayRow",
    "CaptureRow",
    "CatalogueRow",
    "CheckpointRow",
    "ConcernRow",
    "CoverageDayRow",
    "CoverageRow",
    "EventCursorRow",
    "ExemptionRow",
    "FeedRow",
    "FleetNameRow",
    "GrantRow",
    "HeldCheckpointRow",
    "IdempotencyRow",
    "InstallationRow",
    "ListLinkRow",
    "ListRow",
    "ListVersionRow",
    "LoadedCatalogueRow",
    "MatterRow",
    "NameRow",
    "NodeRow",
    "NoticeRow",
    "ObjectionRow",
    "PasskeyRow",
    "PeerRow",
    "PendingDayRow",
    "ProhibitedListRow",
    "PublicationRow",
    "RangeRow",
    "RequestRow",
    "ServiceRow",
    "SignInLinkRow",
    "SiteRow",
    "SpaceRow",
    "SuspensionRow",
    "TermRow",
    "TokenRow",
    "UpdateRow",
    "UsageClientRow",
    "UsageDayRow",
    "UsageHourRow",
    "UsageStreamRow",
    "UsedChallengeRow",
    "VersionRow",
    "WebhookRow",
]
