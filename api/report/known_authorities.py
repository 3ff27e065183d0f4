"""The authorities that a report is about or names. Each is read once, and no others."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from api.authorities import repository
from api.db.models import AuthorityRow


class KnownAuthorities(dict[str, AuthorityRow]):
    """Authorities by slug. It has those that were read."""

    def __init__(self, session: Session, owner: AuthorityRow) -> None:
        super().__init__({owner.slug: owner})
        self._session = session

    def read(self, slugs: Iterable[str]) -> None:
        """Read those of these authorities that exist and were not read yet."""
        missing = set(slugs) - self.keys()
        if missing:
            self.update(repository.by_slug(self._session, missing))
