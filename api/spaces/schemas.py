"""Request and response schemas of space."""

from api.http.schemas import Read, Slug, Strict


class SpaceWrite(Strict):
    """The authority that a prefix is allotted to."""

    authority: Slug


class SpaceRead(Read):
    """A prefix at a site, allotted to an authority."""

    site: Slug
    prefix: str
    authority: Slug
    revision: int
