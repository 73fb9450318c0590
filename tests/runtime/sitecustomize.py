"""Python imports this at its start where the folder is in PYTHONPATH: what HOWLOW_ABSENT names is missing then."""

import os
import sys

sys.modules.update(dict.fromkeys(os.environ["HOWLOW_ABSENT"].split()))
