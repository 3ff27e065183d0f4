"""Load a policy file at a start, into a database that has no policy yet."""

from hashlib import sha256
from pathlib import Path

from api.db.unit_of_work import LOADED, UnitOfWork
from api.errors import Invalid
from api.http.dependencies import Runtime
from api.policies.apply import apply
from api.publish.repository import is_empty
from api.updates.guarding import installation_guard
from dnsfilter.config.policyfile import parse_loaded
from dnsfilter.errors import ConfigError, Problem

MAX_BYTES = 8 * 1024 * 1024


def load_into_empty(held: Runtime, path: Path) -> bool:
    """Load the file if the database has no policy yet; return whether it was loaded. Raise `ConfigError` on a fault."""
    with held.database.writing() as session:
        if not is_empty(session):
            return False
        unit = UnitOfWork(session, LOADED, int(held.clock()))
        try:
            text = _read(path)
            services, guard = held.publishing.services(unit), installation_guard(session).name_fault
            wanted = parse_loaded(text, str(path), services=services, now=unit.now_s, loaded={}, guard=guard)
            faults = apply(unit, wanted.policy, wanted.lists)
            if faults:
                raise Invalid(faults)
            unit.record("policy.load", "policy", None, {"sha256": sha256(text.encode()).hexdigest()})
            held.publishing.check(unit)
        except Invalid as error:
            raise ConfigError(
                tuple(Problem(f"{path}: {fault.location}", fault.message) for fault in error.faults)
            ) from error
    return True


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError((Problem(str(path), f"is larger than {MAX_BYTES} bytes"),))
        return data.decode()
    except OSError as error:
        raise ConfigError((Problem(str(path), f"cannot be read: {error.strerror}"),)) from error
    except UnicodeDecodeError as error:
        raise ConfigError((Problem(str(path), f"is not UTF-8 at byte {error.start}"),)) from error
