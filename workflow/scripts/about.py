"""Write the provenance of the results: the configuration, the code of each kind of result, and installed versions."""

from argparse import Namespace
from collections import Counter
from html import escape
from importlib.metadata import distributions
from pathlib import Path
from platform import platform, python_version

import yaml

from howlow import files, program, provenance
from howlow.config import cells
from howlow.provenance import records
from howlow.results import tables

_MADE_BY = ["result", "number", "commit", "device", "versions"]


def main(args: Namespace) -> list[Path]:
    configuration = yaml.safe_dump(args.spec, sort_keys=False, allow_unicode=True)
    files.write_text(args.configuration, configuration)
    made_by = _made_by(args.spec, args.results)
    installed = sorted({(each.name.lower(), each.version) for each in distributions()})
    own = [("howlow, commit", provenance.commit() or "unknown"), ("python", python_version()), ("system", platform())]
    versions = [*own, *installed]
    files.write_csv(args.versions, ["name", "version"], versions)
    body = (
        f"<h2>Configuration</h2>\n<pre>{escape(configuration)}</pre>\n"
        f"<h2>What made the results</h2>\n{tables.rows_to_html(_MADE_BY, made_by)}"
        f"<h2>Packages installed where this page was made</h2>\n{tables.rows_to_html(['name', 'version'], versions)}"
    )
    files.write_text(args.page, tables.page("Configuration and versions", body))
    return [args.configuration, args.versions, args.page]


def _made_by(config: dict, results: Path) -> list[tuple[str, ...]]:
    """One row for each kind of result and each combination of code, libraries and device that made some of them."""
    counts: Counter[tuple[str, ...]] = Counter()
    for what, path in _records(config, results):
        found = records.read(path)
        if found is not None:
            versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
            counts[what, found["commit"] or "unknown", found.get("device", ""), versions] += 1
    return [(what, str(n), *of) for (what, *of), n in counts.items()]


def _records(config: dict, results: Path) -> list[tuple[str, Path]]:
    found = []
    for experiment in config["experiments"]:
        dataset, folder = experiment["dataset"], results / experiment["dataset"] / experiment["model"]
        of_names = cells(config, experiment)
        stores = sorted({(cell.sample_rate, cell.n_mels) for cell in of_names.values()})
        found.append((f"{dataset}: tracks", results / dataset / "records" / "tracks.json"))
        found += [(f"{dataset}: spectrograms", results / dataset / f"mel/{s}/{n}/manifest.json") for s, n in stores]
        for cell in of_names:
            name = f"{dataset}: {experiment['model']}"
            of_seeds = [folder / cell / f"seed{seed}" / "run.json" for seed in config["seeds"]]
            found += [(f"{name}, trainings", path) for path in of_seeds]
            found.append((f"{name}, metrics", folder / cell / "metrics.json"))
        found += [(f"{dataset}: {path.stem}", path) for path in sorted((folder / "records").glob("*.json"))]
    found += [(path.stem, path) for path in sorted((results / "records").glob("*.json"))]
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--results", type=Path, required=True, help="folder with all results")
    options.add_argument("--configuration", type=Path, required=True, help="YAML file to write: the configuration")
    options.add_argument("--versions", type=Path, required=True, help="CSV file to write: installed versions")
    options.add_argument("--page", type=Path, required=True, help="HTML file to write: all of it")
    program.run(main, options)
