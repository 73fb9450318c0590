"""The one base of all errors that are the user's to mend, not ours."""


class HowlowError(Exception):
    """Something in the input is wrong; the message is one line that says where and what to do.

    The programs in workflow/scripts print the message without a traceback and exit with 1.
    """
