"""Describe the devices of a range in a phrase. Pure."""

_USED = {"staff": "used by staff", "public": "used by the public", "pupils": "used by pupils"}
_PAID = {"public": "paid publicly", "partly_public": "paid partly publicly", "private": "paid privately"}


def use_words(audience: str, funding: str) -> str:
    """Return who uses the devices and who paid: "used by staff, paid publicly". Unknown words stay as they are."""
    return f"{_USED.get(audience, audience)}, {_PAID.get(funding, funding)}"
