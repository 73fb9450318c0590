# Before anything is read: the library can be imported, and Snakemake is used in a way that is known to work.
import sys
from pathlib import Path

WORKFLOW = Path(str(workflow.current_basedir)).parent
sys.path.insert(0, str(WORKFLOW))

import snakemake_internals

snakemake_internals.refuse_untried_version()
snakemake_internals.refuse_module(workflow)
