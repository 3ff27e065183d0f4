"""The tables, one file per topic."""

from api.db.models.authority import AuthorityRow
from api.db.models.ban import BanRow, TermRow
from api.db.models.binding import BindingRow
from api.db.models.exemption import ExemptionRow
from api.db.models.place import RangeRow, SiteRow
from api.db.models.record import AuditRow, InstallationRow, TokenRow

__all__ = [
    "AuditRow",
    "AuthorityRow",
    "BanRow",
    "BindingRow",
    "ExemptionRow",
    "InstallationRow",
    "RangeRow",
    "SiteRow",
    "TermRow",
    "TokenRow",
]
