"""The files around the code agree with one another, and hold nothing of the machine they were made on."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
LOCK = (ROOT / "requirements.lock").read_text()
NOTEBOOKS = sorted(p for p in ROOT.glob("notebooks/**/*.ipynb") if ".ipynb_checkpoints" not in p.parts)

CONDA_NAMES = {"matplotlib": "matplotlib-base"}  # where conda-forge calls a package differently


def declared_requirements() -> list[Requirement]:
    """Everything pyproject.toml asks for: core and all extras."""
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(text) for text in [*PROJECT["dependencies"], *(t for extra in extras for t in extra)]]


def locked_entries() -> list[str]:
    """The lock's requirements, each with its continuation lines, without comments."""
    lines = "\n".join(line for line in LOCK.splitlines() if not line.lstrip().startswith("#"))
    return [entry for entry in re.split(r"\n(?=\S)", lines.replace("\\\n", " ")) if entry.strip()]


def project_files() -> list[Path]:
    """What git tracks or would track; the whole tree where there is no git checkout (an unpacked archive)."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        hidden = re.compile(r"(^|/)\.")
        files = [p for p in ROOT.rglob("*") if not hidden.search(p.relative_to(ROOT).as_posix())]
    else:
        files = [ROOT / name for name in listing.split("\0") if name]
    return [p for p in files if p.is_file()]


# --- dependencies -----------------------------------------------------------------------------------------


def test_conda_environment_agrees_with_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]

    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    in_conda = {requirement.name: requirement.specifier for requirement in map(Requirement, conda)}
    assert len(in_conda) == len(conda), "a package stands twice"
    assert in_conda.pop("python") == Requirement("python" + PROJECT["requires-python"]).specifier
    in_conda.pop("pip")

    declared = {CONDA_NAMES.get(r.name, r.name): r.specifier for r in declared_requirements()}
    *from_pypi, itself = environment["dependencies"][-1]["pip"]
    assert in_conda | {r.name: r.specifier for r in map(Requirement, from_pypi)} == declared
    assert itself == "-e ."


def test_every_locked_package_is_pinned_by_version_and_hash():
    entries = locked_entries()
    assert entries
    for entry in entries:
        requirement, *hashes = entry.split("--hash=")
        (pin,) = Requirement(requirement.strip()).specifier
        assert pin.operator == "==", entry
        assert "*" not in pin.version, entry
        assert hashes, f"no hash: {requirement}"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", h.strip()) for h in hashes), entry


def test_lock_names_no_index_address_or_local_path():
    assert "://" not in LOCK
    assert not re.search(r"^\s*(-i|-f|-e|--(?!hash=)\S*)\b", LOCK, re.MULTILINE)
    assert not re.search(r"(^|[\s\"'=@])\.{0,2}/", LOCK, re.MULTILINE)


def test_lock_satisfies_pyproject():
    versions: dict[str, list[Version]] = {}
    for entry in locked_entries():
        requirement = Requirement(entry.split("--hash=")[0].strip())
        versions.setdefault(requirement.name, []).append(Version(next(iter(requirement.specifier)).version))

    build_backend = [Requirement(text) for text in PYPROJECT["build-system"]["requires"]]
    for wanted in [*declared_requirements(), *build_backend]:
        locked = versions.get(wanted.name, [])
        assert locked, f"{wanted.name} is not in requirements.lock: run `make lock`"
        assert all(v in wanted.specifier for v in locked), f"{wanted} against {locked}: run `make lock`"


def test_lock_is_made_with_the_build_backend():
    assert PYPROJECT["dependency-groups"]["build"] == PYPROJECT["build-system"]["requires"]


# --- metadata ---------------------------------------------------------------------------------------------


def test_citation_is_complete_and_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "version", "license"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert all(author.get("name") or author.get("family-names") for author in citation["authors"])

    (paper,) = citation["references"]
    assert {"type", "title", "authors"} <= paper.keys()
    assert "arXiv:1604.01378" in [identifier["value"] for identifier in paper["identifiers"]]


def test_no_file_names_a_path_of_somebodys_machine():
    somebodys_path = re.compile(r"(?<![\w.~*)}\]-])/(?:home|root|Users|work)/\w")
    files = project_files()
    assert ROOT / "pyproject.toml" in files
    found = []
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not a text file
        found += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(text.splitlines(), start=1)
            if somebodys_path.search(line)
        ]
    assert not found, "\n".join(found)


def test_the_wheel_holds_what_a_browser_gets_and_what_is_described():
    wheel = pytest.importorskip("hatchling.builders.wheel")
    inside = {file.distribution_path for file in wheel.WheelBuilder(str(ROOT)).recurse_included_files()}
    view = ROOT / "rainforest_model" / "view"
    scripts = [path for path in view.iterdir() if path.suffix in (".js", ".css", ".html")]
    assert len(scripts) >= 6
    assert {path.relative_to(ROOT).as_posix() for path in scripts} <= inside
    assert "rainforest_model/data/machines/S-A.toml" in inside
    assert not [path for path in inside if "data/results" in path]


# --- notebooks --------------------------------------------------------------------------------------------


def test_notebook_folder_is_not_empty():
    assert NOTEBOOKS or not (ROOT / "notebooks").exists()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.relative_to(ROOT / "notebooks").as_posix())
def test_notebook_is_committed_clean(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    nbformat.validate(notebook)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"  # else JupyterLab asks before "Run All"
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code, "no code cell"
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code), "committed with outputs"


# --- architecture -----------------------------------------------------------------------------------------


def test_imports_point_downwards():
    """The contracts of [tool.importlinter]; see them with `lint-imports`."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", program, "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
