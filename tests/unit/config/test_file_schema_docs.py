"""The reference pages document every key with its default, and their examples load."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from dnsfilter.config import file_schema, policy_schema
from dnsfilter.config.load import load_config
from dnsfilter.config.policyfile import parse_policy
from dnsfilter.policy.model import Service, Tier

DOCS = Path(__file__).parents[3] / "docs/reference"
CONFIGURATION = (DOCS / "configuration.md").read_text()
POLICY_FILE = (DOCS / "policy-file.md").read_text()
EMPTY = (None, "", (), policy_schema.DecisionTable(), policy_schema.ClosedDecisionTable())


def section(document: str, heading: str) -> str:
    """Return the text under the heading with this beginning, up to the next heading."""
    found = re.search(rf"^#+ {re.escape(heading)}.*?$(.*?)(?=^#+ |\Z)", document, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


def rows(text: str) -> dict[str, str]:
    """Return the documented keys with the text in the default column."""
    table: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            keys, default = line.split(" | ")[:2]
            table.update(dict.fromkeys(re.findall(r"`(\w+)`", keys), default.strip("`")))
    return table


def blocks(text: str) -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("document", "heading", "table"),
    [
        (CONFIGURATION, "The node", file_schema.ConfigFile),
        (CONFIGURATION, "`[upstream]`", file_schema.UpstreamTable),
        (CONFIGURATION, "`[cache]`", file_schema.CacheTable),
        (CONFIGURATION, "`[rebinding]`", file_schema.RebindingTable),
        (CONFIGURATION, "`[clients]`", file_schema.ClientsTable),
        (CONFIGURATION, "`[limits]`", file_schema.LimitsTable),
        (CONFIGURATION, "`[[limits.override]]`", file_schema.OverrideTable),
        (CONFIGURATION, "`[[zone]]`", file_schema.ZoneTable),
        (CONFIGURATION, "`[[record]]`", file_schema.RecordTable),
        (CONFIGURATION, "`[encrypted]`", file_schema.EncryptedTable),
        (CONFIGURATION, "`[control_plane]`", file_schema.ControlPlaneTable),
        (POLICY_FILE, "`[[authority]]`", policy_schema.AuthorityTable),
        (POLICY_FILE, "`[[site]]`", policy_schema.SiteTable),
        (POLICY_FILE, "`[[range]]`", policy_schema.RangeTable),
        (POLICY_FILE, "`[[fleet]]`", policy_schema.FleetTable),
        (CONFIGURATION, "`[egress]`", file_schema.EgressTable),
        (CONFIGURATION, "`[[egress.network]]`", file_schema.EgressNetworkTable),
        (POLICY_FILE, "`[[fleet.names]]`", policy_schema.FleetNameTable),
        (POLICY_FILE, "`[[ban]]`", policy_schema.BanTable),
        (POLICY_FILE, "`[ban.decision]`", policy_schema.DecisionTable),  # Also for a closing, without `follows`.
        (POLICY_FILE, "`[[ban.term]]`", policy_schema.TermTable),
        (POLICY_FILE, "`[[list]]`", policy_schema.ListTable),
        (POLICY_FILE, "`[[list.version]]`", policy_schema.ListVersionTable),
        (POLICY_FILE, "`[[list_link]]`", policy_schema.ListLinkTable),
        (POLICY_FILE, "`[[binding]]`", policy_schema.BindingTable),
        (POLICY_FILE, "`[[exemption]]`", policy_schema.ExemptionTable),
    ],
)
def test_every_key_is_documented_in_its_table_and_no_other(document: str, heading: str, table: type[BaseModel]) -> None:
    documented = rows(section(document, heading))
    subsections = {
        file_schema.ConfigFile: {
            "upstream",
            "cache",
            "rebinding",
            "clients",
            "limits",
            "zone",
            "record",
            "encrypted",
            "control_plane",
            "egress",
        },
        file_schema.LimitsTable: {"override"},
        file_schema.EgressTable: {"network"},
    }
    fields = {field.alias or name: field for name, field in table.model_fields.items()}
    assert set(documented) == set(fields) - subsections.get(table, set())
    needed = {key for key, field in fields.items() if field.is_required()}
    # A ban needs a term, and an exemption one of its three ends. No single key can express that.
    assert {key for key, default in documented.items() if default == "needed"} - {
        "term",
        "until",
        "end",
        "for",
    } == needed


def test_documented_defaults_of_the_configuration_are_the_defaults() -> None:
    defaults = {"": rows(section(CONFIGURATION, "The node"))}
    for table in ("upstream", "cache", "clients", "limits", "control_plane"):
        defaults[table] = rows(section(CONFIGURATION, f"`[{table}]`"))
    written = ""
    for table, keys in defaults.items():
        written += f"[{table}]\n" if table else ""
        for key, default in keys.items():
            if default != "none" and key != "trust_ad":
                written += f"{key} = {default}\n"
    file, faults = file_schema.read_tables(file_schema.ConfigFile, tomllib.loads(written))
    assert faults == []
    assert file == file_schema.ConfigFile()


@pytest.mark.parametrize(
    ("document", "heading", "table"),
    [
        (CONFIGURATION, "`[[record]]`", file_schema.RecordTable),
        (POLICY_FILE, "`[[authority]]`", policy_schema.AuthorityTable),
        (POLICY_FILE, "`[[site]]`", policy_schema.SiteTable),
        (POLICY_FILE, "`[[range]]`", policy_schema.RangeTable),
        (POLICY_FILE, "`[[fleet]]`", policy_schema.FleetTable),
        (CONFIGURATION, "`[egress]`", file_schema.EgressTable),
        (CONFIGURATION, "`[[egress.network]]`", file_schema.EgressNetworkTable),
        (POLICY_FILE, "`[[fleet.names]]`", policy_schema.FleetNameTable),
        (POLICY_FILE, "`[[ban]]`", policy_schema.BanTable),
        (POLICY_FILE, "`[ban.decision]`", policy_schema.DecisionTable),
        (POLICY_FILE, "`[[ban.term]]`", policy_schema.TermTable),
        (POLICY_FILE, "`[[list]]`", policy_schema.ListTable),
        (POLICY_FILE, "`[[list.version]]`", policy_schema.ListVersionTable),
        (POLICY_FILE, "`[[list_link]]`", policy_schema.ListLinkTable),
        (POLICY_FILE, "`[[binding]]`", policy_schema.BindingTable),
        (POLICY_FILE, "`[[exemption]]`", policy_schema.ExemptionTable),
    ],
)
def test_documented_defaults_of_lists_are_the_defaults(document: str, heading: str, table: type[BaseModel]) -> None:
    fields = {field.alias or name: field for name, field in table.model_fields.items()}
    documented = {key: default for key, default in rows(section(document, heading)).items() if default != "needed"}
    written = {key: default for key, default in documented.items() if re.match(r'["\[\d]|true|false', default)}
    assert {key: tomllib.loads(f"x = {default}")["x"] for key, default in written.items()} == {
        key: fields[key].default for key in written
    }
    # An empty value: none, no table, always, or that of another key.
    assert [key for key in documented if key not in written and fields[key].default not in EMPTY] == []


@pytest.mark.parametrize("block", blocks(CONFIGURATION))
def test_every_configuration_example_loads(block: str, tmp_path: Path) -> None:
    path, resolv_conf = tmp_path / "dnsfilter.toml", tmp_path / "resolv.conf"
    path.write_text(block)
    resolv_conf.write_text("nameserver 198.51.100.1\n")
    assert load_config(path, resolv_conf).listen


@pytest.mark.parametrize("block", blocks(POLICY_FILE))
def test_every_policy_example_loads(block: str) -> None:
    services = {"tiktok": Service("tiktok", "TikTok", (Tier(1),))}
    assert parse_policy(block, "policy-file.md", services=services, now=1_678_462_200).bans
