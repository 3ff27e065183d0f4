"""Convert a policy, and what a file did or would do, to API answers."""

from collections.abc import Iterable

from api.db.models import AuditRow
from api.errors import Fault
from api.http.schemas import FaultRead
from api.policies.schemas import ActRead
from dnsfilter.config.policytext import dump_policy
from dnsfilter.policy.model import Policy
from dnsfilter.policy.prohibited_lists import Lists


def policy_text(policy: Policy, lists: Lists) -> str:
    """Return the policy with its prohibited lists as a file."""
    return f"# dnsfilter policy, revision {policy.revision}\n\n{dump_policy(policy, lists)}"


def read_acts(rows: Iterable[AuditRow]) -> list[ActRead]:
    """Return acts as the API shows them."""
    return [ActRead(act=row.act, object=row.object, before=row.before, after=row.after) for row in rows]


def read_faults(faults: Iterable[Fault]) -> list[FaultRead]:
    """Return faults as the API shows them."""
    return [FaultRead(location=fault.location, message=fault.message) for fault in faults]
