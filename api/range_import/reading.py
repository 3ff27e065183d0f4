"""Convert the plan of an import to its API answer."""

from itertools import islice

from api.range_import.service import Plan
from api.ranges.schemas import ImportRead, RangeChangeRead

MAX_SHOWN = 200


def read_plan(plan: Plan, revision: int, *, dry_run: bool) -> ImportRead:
    """Return what an import did, or would do, with its first changes."""
    changes = [
        RangeChangeRead(act=act.act, object=act.subject, before=act.before, after=act.after)
        for act in islice(plan.acts({}), MAX_SHOWN)
    ]
    return ImportRead(
        dry_run=dry_run,
        withheld=plan.withheld,
        registered=len(plan.register),
        changed=len(plan.change),
        removed=len(plan.remove),
        unchanged=plan.unchanged,
        changes=changes,
        more=plan.count - len(changes),
        revision=revision,
    )
