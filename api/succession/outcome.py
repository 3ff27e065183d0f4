"""What became of each object of a merged authority."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """The outcome for each object of the merged authority, by its name in the audit log."""

    continued: list[tuple[str, str]] = field(default_factory=list)
    """Objects, each with the object of the successor that continues it."""
    covered: list[tuple[str, str]] = field(default_factory=list)
    """Objects, each with the object that the successor already had for it."""
    overruled: list[tuple[str, str]] = field(default_factory=list)
    """Bans with another mode or scope, each with the ban of the successor that decides from now on."""
    ended: list[str] = field(default_factory=list)
