"""What a range says of its devices, as a phrase. Pure."""

_USED = {"staff": "used by staff", "public": "used by the public", "pupils": "used by pupils"}
_PAID = {"public": "paid publicly", "partly_public": "paid partly publicly", "private": "paid privately"}


def use_words(audience: str, funding: str) -> str:
    """Who uses them and who paid: "used by staff, paid publicly". A word that is not known here stays as it is."""
    return f"{_USED.get(audience, audience)}, {_PAID.get(funding, funding)}"
