"""The one error that is the database's as well: in `api.errors` it would bring SQLAlchemy into the command line."""

from sqlalchemy.exc import SQLAlchemyError

from api.errors import ApiError


class Unusable(ApiError, SQLAlchemyError):
    """Nothing may be written, although there is a database; the message says why and what to do."""
