"""Keys, settings and limits that documents name are those of the program, with its defaults."""

import re

import pytest

from api.installation.environment import parse_environment
from api.main import COMMANDS
from api.settings import DEFAULTS, KEYS, PREFIX
from dnsfilter.config.file_schema import ConfigFile, Table
from dnsfilter.config.policy_schema import PolicyFile
from tests.meta.project import PROJECT, tracked_files
from tests.support.documents import rows_of_table, text

DOCUMENTS = sorted(
    str(path.relative_to(PROJECT))
    for path in tracked_files()
    if path.suffix == ".md" and path.relative_to(PROJECT).parts[:2] != ("docs", "decisions")
)
ENVIRONMENT = "deploy/systemd/api.env"
KEY = re.compile(r"`\[\[?([a-z_.]+)\]\]? ([a-z_]+)")
ASSIGNED = re.compile(r"`([a-z_]+) = [^`]+`")
OPTION = re.compile(r"^\| `--([a-z-]+)` \| (?:`([A-Z_]+)[^|]*)?\| ([^|]+?) \|", re.MULTILINE)
UNSUPPORTED = re.compile(r"[^.|\n]*\b(?:not|cannot be) (?:yet )?(?:supported|implemented)\b", re.IGNORECASE)


def tables(table: type[Table], path: str = "") -> dict[str, set[str]]:
    """Return the keys of the table and of each table below it, by dotted path."""
    found = {path: {field.alias or name for name, field in table.model_fields.items()}}
    for name, field in table.model_fields.items():
        for below in re.findall(r"_schema\.(\w+Table)", repr(field.annotation)):
            model = {each.__name__: each for each in all_tables()}[below]
            found |= tables(model, f"{path}.{field.alias or name}".strip("."))
    return found


def all_tables() -> list[type[Table]]:
    pending, found = [Table], list[type[Table]]()
    while pending:
        found.append(pending.pop())
        pending += found[-1].__subclasses__()
    return found


TABLES = tables(ConfigFile) | tables(PolicyFile)
ALL_KEYS = {key for table in (ConfigFile, PolicyFile) for keys in tables(table).values() for key in keys}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_key_that_a_document_names_exists(name: str) -> None:
    named = [(table, key) for table, key in KEY.findall(text(name)) if key not in TABLES.get(table, ())]
    assert named + [key for key in ASSIGNED.findall(text(name)) if key not in ALL_KEYS] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_calls_unsupported_what_has_a_key(name: str) -> None:
    words = [key.replace("_", " ") for key in ALL_KEYS if "_" in key]
    claims = [match[0].lower() for match in UNSUPPORTED.finditer(text(name))]
    assert [claim for claim in claims if any(word in claim for word in words)] == []


def test_the_options_of_the_control_plane_are_documented_with_their_defaults() -> None:
    (page,) = (name for name in DOCUMENTS if "| option | variable | default |" in text(name))
    listed = {option.replace("-", "_"): (variable, default) for option, variable, default in OPTION.findall(text(page))}
    assert set(KEYS) <= set(listed)
    assert {key: listed[key][0].partition("=")[0] for key in KEYS} == {key: PREFIX + key.upper() for key in KEYS}
    assert {key: listed[key][1].strip("`") for key in DEFAULTS} == DEFAULTS
    commands = {row["command"].strip("`") for row in rows_of_table(page, "command")}
    assert {f"dnsfilter-api {command}" for command in ("openapi", *COMMANDS)} <= commands


def test_the_file_of_variables_names_known_settings_and_begins_with_the_defaults() -> None:
    known = {PREFIX + key.upper() for key in KEYS}
    assert set(re.findall(rf"\b{PREFIX}\w+", text(ENVIRONMENT))) <= known
    given = parse_environment(text(ENVIRONMENT))
    assert {key: given[PREFIX + key.upper()] for key in DEFAULTS} == DEFAULTS
