"""Request bodies that are the text of a file, or the same data as JSON for generated clients."""

from collections.abc import Callable
from typing import Annotated, Any, Generic

from fastapi import Depends, Request

from api.errors import Invalid
from api.http.dependencies import sent_body
from api.http.schemas import Body, validated_json

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
"""The media type of the console's forms."""


class FileBody(Generic[Body]):
    """A dependency that reads the body: the text of a file, or an object of `model` if it is JSON.

    It reads nothing before the permission check. It raises Invalid for text that is not UTF-8, and for JSON that does
    not fit the model.
    """

    def __init__(self, media_type: str, model: type[Body]) -> None:
        self.media_type = media_type
        self.model = model

    def __call__(self, request: Request, body: Annotated[bytes, Depends(sent_body)]) -> str | Body:
        """Read the body. A large one takes seconds, so the event loop must not run this."""
        if request.scope["media_type"] == JSON:
            return validated_json(self.model, body)
        try:
            return body.decode()
        except UnicodeDecodeError as error:
            raise Invalid.at("body", f"is not UTF-8 at byte {error.start}") from error

    def described(self, schema: Callable[[type[Body]], Any]) -> dict[str, Any]:
        """Return the OpenAPI request body; `schema` describes a model."""
        content = {JSON: {"schema": schema(self.model)}, self.media_type: {"schema": {"type": "string"}}}
        return {"required": True, "content": content}
