"""Python imports this module at its start if its folder is in PYTHONPATH. It hides the modules in HOWLOW_ABSENT."""

import os
import sys

sys.modules.update(dict.fromkeys(os.environ["HOWLOW_ABSENT"].split()))
