"""Describe the devices of a range in a phrase. Pure."""

_USERS = {"staff": "staff users", "public": "public users", "pupils": "pupil users"}
_DEVICES = {"public": "public devices", "partly_public": "partly public devices", "private": "private devices"}


def use_words(audience: str, funding: str) -> str:
    """Return who uses the devices and who paid: "staff users, public devices". Unknown words stay as they are."""
    return f"{_USERS.get(audience, audience)}, {_DEVICES.get(funding, funding)}"
