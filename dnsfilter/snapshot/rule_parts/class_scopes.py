"""What a rules file says of each class apart from its rules, so that a node can add a ban of its authority by itself.

That is the funding and the audience of its ranges, the network that counts on its own, and the text of a refusal.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.extended_error import refusal_template
from dnsfilter.policy.model import Audience, Authority, Funding
from dnsfilter.policy.rows import RangeClass
from dnsfilter.snapshot.layout import CLASS_SCOPE, Part
from dnsfilter.snapshot.sections import Section, Strings

FUNDINGS = tuple(Funding)
AUDIENCES = tuple(Audience)


class ClassScope(NamedTuple):
    """The scope of a class. `counted` is the site and prefix that count on their own, empty for none."""

    funding: Funding
    audience: Audience
    template: str
    counted: tuple[str, str]


def class_scopes(strings: Strings, classes: Iterable[RangeClass], authorities: Mapping[str, Authority]) -> bytes:
    """Return the section, with its texts added to `strings`."""
    templates: dict[str, int] = {}
    found = bytearray()
    for each in classes:
        template = templates.get(each.authority)
        if template is None:
            authority = authorities[each.authority]
            template = templates[each.authority] = strings.add(refusal_template("", authority, authority))
        site, prefix = each.counted or ("", "")
        numbers = FUNDINGS.index(each.funding), AUDIENCES.index(each.audience)
        found += CLASS_SCOPE.pack(template, strings.add(site), strings.add(prefix), *numbers)
    return bytes(found)


def read_class_scopes(parts: Mapping[Part, Section], classes: int) -> Sequence[ClassScope]:
    """Return the scope of each class. Raise SnapshotError if a class has none, or an unknown one."""
    section, strings = parts.get(Part.CLASS_SCOPES), parts[Part.STRINGS]
    records = () if section is None else tuple(section.all_records(CLASS_SCOPE))
    if len(records) != classes:
        raise SnapshotError(f"read snapshot: {len(records)} of {classes} classes have a scope")
    if any(funding >= len(FUNDINGS) or audience >= len(AUDIENCES) for *_, funding, audience in records):
        raise SnapshotError("read snapshot: a class has an unknown funding or audience")
    return [
        ClassScope(
            FUNDINGS[funding], AUDIENCES[audience], strings.text(template), (strings.text(site), strings.text(prefix))
        )
        for template, site, prefix, funding, audience in records
    ]
