"""What a release promises: its bill of materials, its licence and its section of the changes."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from packaging.requirements import Requirement

from tests.meta.project import PROJECT, pyproject
from tests.meta.test_lock import PIN, pins


def test_the_bill_of_materials_lists_every_pinned_package_of_the_environment_once() -> None:
    done = subprocess.run([sys.executable, PROJECT / "scripts/sbom"], check=True, capture_output=True, text=True)
    bill = json.loads(done.stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["licenses"] == [{"expression": pyproject()["project"]["license"]}]
    listed = [(each["name"], each["version"]) for each in bill["components"]]
    assert len(listed) == len(dict(listed))
    lines = (PROJECT / "requirements.lock").read_text().splitlines()
    pinned = [Requirement(line.removesuffix(" \\")) for line in lines if PIN.match(line)]
    # A few are for other systems, such as Python in a browser.
    shipped = {each.name for each in pinned if each.marker is None or each.marker.evaluate()}
    assert {(name, version) for name, version in pins("requirements.lock").items() if name in shipped} <= set(listed)
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


def git(tree: Path, *arguments: str) -> None:
    author = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", tree, *author, *arguments], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("version", "tags", "changed", "reason"),
    [
        ("0.1.0", (), (), "CHANGELOG.md has no section 0.1.0"),
        ("0.2.0", ("v0.1.0",), (), "this commit has the tag v0.1.0, and pyproject.toml the version 0.2.0: change one"),
        ("0.2.0", ("v0.2.0", "nightly"), ("setup.py",), "commit these files first, or move them away:\n?? setup.py"),
        ("0.3.0.dev0", (), ("setup.py",), "commit these files first"),
    ],
    ids=["no section", "another tag", "not committed", "not committed, and no release"],
)
def test_a_release_is_of_a_commit_whose_version_tag_and_changes_agree(
    tmp_path: Path, version: str, tags: tuple[str, ...], changed: tuple[str, ...], reason: str
) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(PROJECT / "scripts/release", tmp_path / "scripts/release")
    (tmp_path / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n\n## 0.2.0\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    for tag in tags:
        git(tmp_path, "tag", tag)
    for name in changed:
        (tmp_path / name).touch()
    done = subprocess.run([tmp_path / "scripts/release", "deb"], capture_output=True, text=True)
    assert (done.returncode, done.stderr.startswith(f"release: {reason}")) == (1, True), done.stderr


def test_examples_and_the_chart_repeat_the_version() -> None:
    named = {
        (path, version)
        for path in ("docs/tasks/containers.md", "deploy/docker/compose.yaml", "deploy/helm/dnsfilter/Chart.yaml")
        for version in re.findall(r"(?m)(?:DNSFILTER_VERSION=|^version: )(\d\S*)", (PROJECT / path).read_text())
    }
    assert {version for _, version in named} == {pyproject()["project"]["version"]}
    assert len(named) == 3


def test_uv_is_pinned_alone_for_a_build() -> None:
    script = (PROJECT / "scripts/release").read_text()
    (expression,) = re.findall(r"sed -n '(/\^uv==.*)' requirements-dev.lock", script)
    taken = subprocess.run(["sed", "-n", expression, PROJECT / "requirements-dev.lock"], capture_output=True, text=True)
    first, *hashes = taken.stdout.splitlines()
    assert first == f"uv=={pins('requirements-dev.lock')['uv']} \\"
    assert hashes
    assert [line for line in hashes if not line.startswith("    --hash=sha256:")] == []
    assert [line.endswith("\\") for line in hashes] == [*[True] * (len(hashes) - 1), False]


def test_the_image_context_and_the_package_have_every_example() -> None:
    script = (PROJECT / "scripts/release").read_text()
    assert re.search(r'^    cp -r .* "\$tree/deploy" "\$context"$', script, re.MULTILINE)
    assert 'cp -r "$tree/deploy" "$doc/examples"' in script


@pytest.mark.parametrize("target", ["release", "deb", "reproducible"])
def test_a_target_of_the_makefile_calls_the_script_with_an_argument_that_it_knows(target: str) -> None:
    recipe = re.search(rf"^{target}:.*\n\t@scripts/release (\w+)$", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    assert f"#   {recipe[1]} " in (PROJECT / "scripts/release").read_text()
