"""Bodies that are a file's text, and the same as JSON for clients that are made from the description."""

from collections.abc import Callable
from typing import Annotated, Any, Generic

from fastapi import Depends, Request

from api.deps import PermitDep
from api.errors import Invalid
from api.schemas import Body, validated_json

JSON = "application/json"


async def _body(request: Request, _permit: PermitDep) -> bytes:
    return await request.body()


class FileBody(Generic[Body]):
    """A dependency for the body: a file's text, or an object of `model` where it is JSON.

    It reads nothing before it is known that the sender may act. A text that is not UTF-8 raises Invalid, and so does
    JSON that is not of the model.
    """

    def __init__(self, media_type: str, model: type[Body]) -> None:
        self.media_type = media_type
        self.model = model

    def __call__(self, request: Request, body: Annotated[bytes, Depends(_body)]) -> str | Body:
        """Read the body. It may take long: no event loop should wait for it."""
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
