"""Space as written and as read."""

from api.http.schemas import Read, Slug, Strict


class SpaceWrite(Strict):
    """To which authority a prefix is allotted."""

    authority: Slug


class SpaceRead(Read):
    """A prefix of a site that is allotted to an authority."""

    site: Slug
    prefix: str
    authority: Slug
    revision: int
