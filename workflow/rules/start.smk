# This runs first: it refuses unsupported uses of Snakemake, and another howlow than the one of this folder.
import sys
from pathlib import Path

import snakemake_internals

WORKFLOW = Path(str(workflow.current_basedir)).parent

snakemake_internals.refuse_untried_version()
snakemake_internals.refuse_module(workflow)
snakemake_internals.refuse_other_library(WORKFLOW)
