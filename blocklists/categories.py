"""The categories of services. docs/reference/catalogue.md explains each."""

from enum import StrEnum


class Category(StrEnum):
    """What a service is for. Lists can be filtered by it, and what starts from a category remembers it."""

    ADVERTISING = "advertising"
    AI = "ai"
    COMPANY = "company"
    CREATIVE = "creative"
    DATING = "dating"
    DEVICES = "devices"
    ENCRYPTED_DNS = "encrypted_dns"
    FINANCE = "finance"
    GAMES = "games"
    MEETINGS = "meetings"
    MESSAGING = "messaging"
    MUSIC = "music"
    NEWS = "news"
    PUBLISHING = "publishing"
    SECURITY = "security"
    SHOPPING = "shopping"
    SOCIAL = "social"
    VIDEO = "video"
    VPN = "vpn"
