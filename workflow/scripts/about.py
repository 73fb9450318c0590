"""What results come from: the complete configuration, and the versions of everything installed."""

from argparse import Namespace
from html import escape
from importlib.metadata import distributions
from pathlib import Path
from platform import platform, python_version

import yaml

from howlow import files, program, provenance, tables


def main(args: Namespace) -> None:
    configuration = yaml.safe_dump(args.spec, sort_keys=False, allow_unicode=True)
    files.write_text(args.configuration, configuration)
    installed = sorted({(each.name.lower(), each.version) for each in distributions()})
    own = [("howlow, commit", provenance.commit() or "unknown"), ("python", python_version()), ("system", platform())]
    versions = [*own, *installed]
    files.write_csv(args.versions, ["name", "version"], versions)
    table = tables.rows_to_html(["name", "version"], versions)
    body = f"<h2>Configuration</h2>\n<pre>{escape(configuration)}</pre>\n<h2>Versions</h2>\n{table}"
    files.write_text(args.page, tables.page("Configuration and versions", body))


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--configuration", type=Path, required=True, help="YAML file to write")
    options.add_argument("--versions", type=Path, required=True, help="CSV file to write")
    options.add_argument("--page", type=Path, required=True, help="HTML file to write: both")
    program.run(main, options)
