"""Instants as people read them: by the clock of one zone, which is named."""

from datetime import UTC, date, datetime, tzinfo

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def local_time(at: int, zone: tzinfo | None = None) -> datetime:
    """`at`, in seconds of UTC, by a clock of the zone; None is this machine's, as TZ has it."""
    return datetime.fromtimestamp(at, UTC).astimezone(zone)


def at_words(at: int, zone: tzinfo | None = None) -> str:
    """Day and time: "25 November 2026 11:00:05 CET"."""
    local = local_time(at, zone)
    return f"{day_words(local)} {local:%H:%M:%S} {local.tzname()}"


def day_words(day: date) -> str:
    """A day: "25 November 2026"."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
