"""What a merger made of the merged authority's objects."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """What becomes of a merged authority's objects, by their names in the record."""

    continued: list[tuple[str, str]] = field(default_factory=list)
    """Each with that of the successor which goes on instead."""
    covered: list[tuple[str, str]] = field(default_factory=list)
    """Each with that of the successor which was there already."""
    overruled: list[tuple[str, str]] = field(default_factory=list)
    """Bans that applied in another mode or scope, each with that of the successor which decides from now on."""
    ended: list[str] = field(default_factory=list)
