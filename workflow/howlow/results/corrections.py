"""Corrections of P values for the number of tests."""

import numpy as np
from numpy.typing import ArrayLike


def holm(p: ArrayLike) -> np.ndarray:
    """P values of any shape after Holm's correction for their number; NaN is no test, and stays.

    It is that of statsmodels, which collects all garbage of the process at every call, a tenth of a second each.
    """
    values = np.asarray(p, float)
    order = np.argsort(values, axis=None)[: np.count_nonzero(~np.isnan(values))]  # NaN comes last
    corrected = np.full(values.size, np.nan)
    corrected[order] = np.minimum(1, np.maximum.accumulate(values.ravel()[order] * np.arange(len(order), 0, -1)))
    return corrected.reshape(values.shape)
