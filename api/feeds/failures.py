"""Why a feed could not be fetched: a few reasons, which are counted, each with a text that says what to do."""

from enum import StrEnum


class Failure(StrEnum):
    """The kind of a failure, as metrics and the API name it."""

    CONNECTION = "connection"
    CERTIFICATE = "certificate"
    PRIVATE_ADDRESS = "private_address"
    REDIRECT = "redirect"
    STATUS = "status"
    TIMEOUT = "timeout"
    SIZE = "size"
    DAMAGED = "damaged"
    FILE = "file"
    CONTENT = "content"
    POLICY = "policy"


class FetchError(Exception):
    """Raised when a feed has no usable content. The message is for administrators, without the URL or its secrets."""

    def __init__(self, failure: Failure, message: str) -> None:
        super().__init__(message)
        self.failure = failure
