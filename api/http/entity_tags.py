"""Entity tags (RFC 9110 section 8.8.3): `"r5.DIGEST"` is an object last changed at revision 5, as answered. Pure."""

from hashlib import sha256

MAX_TAGS = 200
"""The most characters of If-Match and If-None-Match."""
DIGITS = 16
OF_REVISION = '"r'
"""The beginning of tags that are made from a revision. Other tags already cover the complete answer."""


def etag(revision: int) -> str:
    """Return the beginning of the entity tag of a resource last changed at `revision`."""
    return f'{OF_REVISION}{revision}"'


def answer_tag(tag: str, body: bytes) -> str:
    """Return the tag `"r5"` with a digest of the answer's body added."""
    return f'{tag[:-1]}.{sha256(body).hexdigest()[:DIGITS]}"'


def revision_tag(tag: str) -> str:
    """Return the revision part of a caller's tag. Acts compare only that: the rest may change with the clock."""
    name, dot, _ = tag.strip().removeprefix("W/").partition(".")
    return f'{name}"' if dot else name


def is_known(header: str, tag: str) -> bool:
    """Return whether an If-None-Match names a tag."""
    tags = {each.strip().removeprefix("W/") for each in header.split(",")}
    return "*" in tags or tag in tags
