"""`python -m howlow` is the command `howlow`."""

from howlow import commands

commands.main()
