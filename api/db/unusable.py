"""An error that is also one of SQLAlchemy. In `api.errors` it would make the command line import SQLAlchemy."""

from sqlalchemy.exc import SQLAlchemyError

from api.errors import ApiError


class Unusable(ApiError, SQLAlchemyError):
    """No act can be recorded, although the database can be read. The message says why and what to do."""
