"""Check that there are wheels of every locked package for each Python and system, and that the lock is complete.

This asks the package index that pip is configured with, and downloads only metadata. It takes some minutes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

LOCKS = [Path(__file__).with_name(name) for name in ("requirements.txt", "requirements-dev.txt")]

SYSTEMS = {
    # glibc 2.28 is that of Debian 10 and of Red Hat 8.
    "Linux x86_64": [f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)]
    + [f"manylinux{year}_x86_64" for year in (2014, 2010, 1)],
    # Essentia's wheels need macOS 15. PyTorch no longer has wheels for Macs with an Intel processor.
    "Darwin arm64": ["macosx_15_0_arm64"],
}
"""The systems that need wheels, as Python's `platform` names them, with the tags that pip may take there."""

SOURCE_ONLY = {"connection-pool"}
"""Packages that are published only as source; they are pure Python."""

CUDA = ("nvidia-", "cuda-", "triton")
"""Prefixes of packages that only PyTorch's CUDA build needs. The lock leaves them out."""


def main(pythons: list[str]) -> None:
    problems = [
        f"{system}, Python {python}: {problem}"
        for system, tags in SYSTEMS.items()
        for python in pythons
        for problem in _problems(system, tags, python)
    ]
    if problems:
        sys.exit("\n".join(problems))
    print(f"All locked packages have wheels for Python {', '.join(pythons)} on {' and '.join(SYSTEMS)}.")


def _problems(system: str, tags: list[str], python: str) -> Iterator[str]:
    """The reasons why the locked packages cannot be installed on a system, one sentence each."""
    print(f"{system}, Python {python} ...", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"]
        command.append("--ignore-requires-python")  # pip would ask for its own Python here
        command += ["--target", folder, "--report", str(report), "--python-version", python]
        command += [f"--platform={tag}" for tag in tags]
        command += ["--only-binary=:all:", f"--no-binary={','.join(SOURCE_ONLY)}"]
        command += locked("".join(lock.read_text() for lock in LOCKS), environment(system, python))
        process = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if process.returncode:
            yield from (line for line in process.stderr.splitlines() if line.startswith("ERROR: "))
            return
        packages = [package["metadata"] for package in json.loads(report.read_text())["install"]]
    yield from missing(packages, environment(system, python))


def locked(text: str, markers: dict[str, str]) -> list[str]:
    """The requirements of a lock for an environment, without markers, which pip would evaluate for its own Python.

    Parameters
    ----------
    text : the content of the file
    markers : the result of `environment`
    """
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    requirements = [Requirement(line) for line in lines if line]
    fitting = (each for each in requirements if not each.marker or each.marker.evaluate(markers))
    return list(dict.fromkeys(f"{each.name}{each.specifier}" for each in fitting))


def environment(system: str, python: str) -> dict[str, str]:
    """The values of environment markers (https://peps.python.org/pep-0508/#environment-markers)."""
    name, machine = system.split()
    return {
        "extra": "",
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": name,
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": name.lower(),
    }


def missing(packages: list[dict], markers: dict[str, str]) -> Iterator[str]:
    """The requirements of packages, by their metadata, that neither these packages nor the Python meet.

    Parameters
    ----------
    packages : metadata with `name`, `version`, `requires_dist` and `requires_python`
    markers : the result of `environment`
    """
    versions = {canonicalize_name(package["name"]): package["version"] for package in packages}
    for package in packages:
        pythons = package.get("requires_python", "")
        if not SpecifierSet(pythons).contains(markers["python_full_version"]):
            yield f"{package['name']} needs Python {pythons}"
        for requirement in map(Requirement, package.get("requires_dist", [])):
            name = canonicalize_name(requirement.name)
            if name.startswith(CUDA) or (requirement.marker and not requirement.marker.evaluate(markers)):
                continue
            if name not in versions:
                yield f"{package['name']} needs {requirement}, which is not in the lock"
            elif not requirement.specifier.contains(versions[name], prereleases=True):
                yield f"{package['name']} needs {requirement}; the lock has {versions[name]}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pythons", nargs="+", help="versions of Python, such as 3.13")
    main(parser.parse_args().pythons)
