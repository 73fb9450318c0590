"""The generated dataset, whose metadata have MagnaTagATune's layout; `howlow.data.demo` generates it."""

from howlow.data.datasets.mtat import load as load
from howlow.data.datasets.mtat import split_rule as split_rule
