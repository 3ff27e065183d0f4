"""`dnsfilter-api` with the large service in its catalogue: `python -m tests.bench.large_plane OPTIONS`."""

import sys
from dataclasses import dataclass, field
from unittest.mock import patch

from api.main import main
from blocklists.catalogue import Catalogue, load_catalogue
from dnsfilter.policy.model import Service
from tests.bench.large import make_service


@dataclass(frozen=True, slots=True)
class LargeCatalogue(Catalogue):
    """The packaged catalogue with one more service, which is too large for a catalogue file."""

    large: Service = field(kw_only=True)

    @property
    def services(self) -> tuple[Service, ...]:
        """Return all entries as the policy uses them, and the large service."""
        return (*(entry.service() for entry in self.entries), self.large)


def load_large() -> Catalogue:
    """Return the packaged catalogue with the large service."""
    return LargeCatalogue(load_catalogue().entries, large=make_service())


if __name__ == "__main__":
    with patch("api.serving.load_catalogue", load_large):
        sys.exit(main())
