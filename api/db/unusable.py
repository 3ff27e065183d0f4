"""`Unusable`, which is also an SQLAlchemyError. In `api.errors`, it would make `dnsfilterctl` import SQLAlchemy."""

from sqlalchemy.exc import SQLAlchemyError

from api.errors import ApiError


class Unusable(ApiError, SQLAlchemyError):
    """No act can be recorded, but the database can be read. The message says why and what to do."""
