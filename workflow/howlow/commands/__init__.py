"""The command `howlow`: one module for each of its subcommands."""

import argparse
import sys
from importlib import import_module
from importlib.metadata import version

from howlow import program

COMMANDS = {
    "new": "look at a folder of audio files, and write a table and a configuration for it",
    "check": "say what a configuration will do and take, before a run",
    "plan": "count the jobs of configurations, and notice when the numbers change",
    "scale": "estimate jobs, disk space and hours on clusters of several sizes",
    "tag": "tag music with a trained model",
    "export": "export a trained model to ONNX",
    "cancel": "cancel the SLURM jobs that an earlier run left in this folder",
}
"""The summary of each subcommand by its name, which is also the name of its module.

A module has a docstring, which is its help, `add_options(parser)`, and `main(args)`. It is imported only if it was
asked for, because the imports of some of them take seconds.
"""


def main() -> None:
    """Run the subcommand that the command line names; `howlow.program.run` has its exit statuses."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name not in COMMANDS:
        _parser().parse_args([name])
        return
    module = import_module(f"howlow.commands.{name}")
    parser = argparse.ArgumentParser(
        prog=f"howlow {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_options(parser)
    program.run(module.main, parser, arguments)


def _parser() -> argparse.ArgumentParser:
    """The parser of a command line that names no subcommand: it prints a help, the version, or an error."""
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="howlow",
        usage="howlow COMMAND ...",
        description="How far can you shrink what a music tagger is fed before it gets worse, and what do you save?\n\n"
        f"commands:\n{listed}",
        epilog="`howlow COMMAND --help` explains a command, with an example. The study itself is run by Snakemake, in a"
        "\nclone of howlow: snakemake --cores 8 --configfile my.yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    parser.add_argument("--version", action="version", version=f"howlow {version('howlow')}")
    return parser
