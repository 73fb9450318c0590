# This runs first: it makes the library importable, and refuses unsupported uses of Snakemake.
import sys
from pathlib import Path

WORKFLOW = Path(str(workflow.current_basedir)).parent
sys.path.insert(0, str(WORKFLOW))

import snakemake_internals

snakemake_internals.refuse_untried_version()
snakemake_internals.refuse_module(workflow)
