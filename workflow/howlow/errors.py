"""Errors that the user can correct."""


class HowlowError(Exception):
    """Something in the input is wrong. The message is one line that says what, where, and what to do.

    `howlow.program.run` prints the message without a traceback and exits with 1.
    """


class ShapeError(HowlowError):
    """A network or a filter bank can't be built for an input of this size."""


class TrainingError(HowlowError):
    """A cell can't be trained; the message says why."""


class ConfigError(HowlowError):
    """The configuration can't work. The message gives the path of the key."""


class MetadataError(HowlowError):
    """The metadata of a dataset can't be used. The message names the file, the row and the column."""
