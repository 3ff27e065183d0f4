"""What a release promises: its bill of materials, its licence and its section of the changes."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.meta.project import PROJECT, pyproject
from tests.meta.test_lock import pins


def test_the_bill_of_materials_lists_every_pinned_package_of_the_environment_once() -> None:
    done = subprocess.run([sys.executable, PROJECT / "scripts/sbom"], check=True, capture_output=True, text=True)
    bill = json.loads(done.stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["licenses"] == [{"expression": pyproject()["project"]["license"]}]
    listed = [(each["name"], each["version"]) for each in bill["components"]]
    assert len(listed) == len(dict(listed))
    assert pins("requirements.lock").items() <= dict(listed).items()
    everything = [bill["metadata"]["component"], *bill["components"]]
    assert all(each["purl"] == f"pkg:pypi/{each['name']}@{quote(each['version'])}" for each in everything)
    (compiled,) = (each["components"] for each in everything if each["name"] == "cryptography")
    assert "openssl" in {each["name"] for each in compiled}


def test_the_licence_is_complete_and_named_where_people_look() -> None:
    text = (PROJECT / "LICENSE").read_text()
    assert text.startswith("EUROPEAN UNION PUBLIC LICENCE v. 1.2\n")
    assert [f"\n{number}." in text for number in range(1, 16)] == [True] * 15
    assert "(LICENSE)" in (PROJECT / "README.md").read_text()
    assert "EUPL-1.2" in (PROJECT / "deploy/debian/copyright").read_text()


def test_a_release_without_a_section_of_the_changes_is_refused() -> None:
    environ = os.environ | {"DNSFILTER_VERSION": "99.1.0", "UV": f"{sys.prefix}/bin/uv"}
    done = subprocess.run([PROJECT / "scripts/release", "deb"], env=environ, capture_output=True, text=True)
    reasons = (
        "release: CHANGELOG.md has no section 99.1.0\n",
        "apt-get install python3-venv python3-dev gcc libc6-dev\n",
    )
    assert done.returncode == 1
    assert done.stderr.endswith(reasons)  # the second one, where Debian's Python has no headers


def test_a_release_of_files_that_are_not_committed_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "scripts/release"
    script.parent.mkdir()
    shutil.copy(PROJECT / "scripts/release", script)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    environ = {"DNSFILTER_VERSION": "0.0.0", "SOURCE_DATE_EPOCH": "0", "UV": f"{sys.prefix}/bin/uv"}
    done = subprocess.run([script, "all"], env=os.environ | environ, capture_output=True, text=True)
    assert done.returncode == 1
    assert "?? scripts/" in done.stderr or "apt-get install" in done.stderr


def test_the_image_context_and_the_package_have_every_example() -> None:
    script = (PROJECT / "scripts/release").read_text()
    assert re.search(r'^    cp -r .* "\$tree/deploy" "\$context"$', script, re.MULTILINE)
    assert 'cp -r "$tree/deploy" "$doc/examples"' in script


@pytest.mark.parametrize("target", ["release", "deb", "reproducible"])
def test_a_target_of_the_makefile_calls_the_script_with_an_argument_that_it_knows(target: str) -> None:
    recipe = re.search(rf"^{target}:.*\n\t@scripts/release (\w+)$", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    assert f"#   {recipe[1]} " in (PROJECT / "scripts/release").read_text()
