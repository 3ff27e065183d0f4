"""What the fields and parameters of the API mean, by name, from `fields.toml`.

The texts are not in the schemas: one text serves many of them, and `dnsfilterctl` imports the schemas without texts.
"""

import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any


def describe_fields(found: dict[str, Any]) -> None:
    """Describe the properties and parameters of a description that have no text of their own."""
    texts = load_meanings()
    for schema, described in found["components"]["schemas"].items():
        for name, field in described.get("properties", {}).items():
            _describe(field, texts["fields"], name, schema)
    for item in found["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                if "name" in parameter:
                    _describe(parameter, texts["parameters"], parameter["name"], operation["operationId"])


def load_meanings() -> dict[str, dict[str, str]]:
    """Return the texts of fields and of parameters. A key is a name, or a name and one schema or operation."""
    text = files("api.documentation").joinpath("fields.toml").read_text(encoding="utf-8")
    return {part: dict(_each(meanings)) for part, meanings in tomllib.loads(text).items()}


def _each(meanings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, text in meanings.items():
        name, *owners = key.split()
        yield from ((f"{name} {owner}", text) for owner in owners) if owners else [(name, text)]


def _describe(field: dict[str, Any], meanings: Mapping[str, str], name: str, owner: str) -> None:
    meaning = meanings.get(f"{name} {owner}", meanings.get(name))
    if meaning is not None:
        field.setdefault("description", meaning)
