"""Tables IV and V and those of a run: in percent and beside the published figures, as Markdown, LaTeX and HTML."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd

from howlow.names import CELL, FURTHER_AXES, LOG_NAMES, METRICS, deviation, fraction
from howlow.networks.registry import NETWORKS

_KEYS = ["dataset", "model", *CELL]

_OF_THE_PAPER = ("published_percent", "published_std", "difference_points", "p", "p_holm", "is_different")
"""The ends of the names of the columns that `howlow.results.published.beside` adds for each metric."""

Notes = Mapping[tuple[str, str], Sequence[str]]
"""Sentences that are added to the captions, by the names of dataset and model."""

_NO_NOTES: Notes = {}


def percent(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows of `summary.csv` with both metrics in percent: `{metric}_percent` and `{metric}_std`."""
    table = summary[[*_KEYS, "n_seeds"]].copy()
    for metric in METRICS:
        table[f"{metric}_percent"] = 100 * summary[f"{metric}_mean"]
        table[f"{metric}_std"] = 100 * summary[f"{metric}_std"]
    rest = summary.columns.difference(
        [*_KEYS, "n_seeds", *(f"{m}_{s}" for m in METRICS for s in ("mean", "std"))], sort=False
    )
    return table.join(summary[rest])


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Turn a table of `percent`, of one model on one dataset, into text in the paper's columns.

    What is the same in all rows is left out, but for bands and sample rate. An asterisk marks a mean that differs from
    the published one by the test of `howlow.results.published.beside`.
    """
    columns = {"bands": [str(n) for n in table["n_mels"]]}
    if not _is_constant(table["hop_factor"]):
        columns["hop"] = [f"×{hop}" for hop in table["hop_factor"]]
    columns["sample rate"] = [f"{hz / 1000:g} kHz" for hz in table["sample_rate_hz"]]
    if not _is_constant(table["log_type"]):
        columns["log"] = [LOG_NAMES[log_type] for log_type in table["log_type"]]
    for axis in FURTHER_AXES:
        if not _is_constant(table[axis]):
            columns[axis] = [fraction(number) for number in table[axis]]
    for metric, name in METRICS.items():
        columns[name] = _with_deviation(table[f"{metric}_percent"], table[f"{metric}_std"])
        if f"{metric}_published_percent" in table:
            published, deviations = table[f"{metric}_published_percent"], table[f"{metric}_published_std"]
            columns[f"{name}, published"] = _with_deviation(published, deviations)
            marks = ["*" if flag is True else "" for flag in table[f"{metric}_is_different"]]
            differences = ["" if np.isnan(d) else f"{d:+.2f}" for d in table[f"{metric}_difference_points"]]
            columns[f"{name}, difference"] = [d + mark for d, mark in zip(differences, marks, strict=True)]
    if "gmac" in table:
        columns["GMAC"] = [f"{gmac:.3g}" for gmac in table["gmac"]]
    return pd.DataFrame(columns)


def caption(table: pd.DataFrame, notes: Notes = _NO_NOTES) -> str:
    """The caption of a table of one model on one dataset, with its notes."""
    dataset, model, n_seeds, n_folds = table[["dataset", "model", "n_seeds", "n_folds"]].iloc[0]
    constant = []
    if _is_constant(table["hop_factor"]):
        constant.append(f"hop ×{table['hop_factor'].iloc[0]}")
    if _is_constant(table["log_type"]):
        constant.append(f"{LOG_NAMES[table['log_type'].iloc[0]]} log-compression")
    what = ", ".join([*constant, deviation(n_seeds, n_folds)])
    text = f"ROC AUC and PR AUC in percent of {NETWORKS[model]} on {dataset}, {what}."
    of_trainings = [mixture(table)] if "device" in table else []
    return " ".join(filter(None, [text, *of_trainings, *notes.get((dataset, model), [])]))


def mixture(table: pd.DataFrame) -> str:
    """A warning that the trainings of one model on one dataset used different devices or versions of PyTorch.

    Their results may differ for that reason, too. The text is empty if all trainings are alike.

    Parameters
    ----------
    table : rows of `runs.csv` or of `summary.csv`
    """
    counts = Counter(zip(table["device"], table["torch"], strict=True))
    if len(counts) < 2:
        return ""
    shares = "; ".join(f"{n} on {device} with PyTorch {torch}" for (device, torch), n in counts.items())
    return f"The trainings used different devices or versions of PyTorch, which may affect the results, too: {shares}."


def groups(table: pd.DataFrame) -> list[pd.DataFrame]:
    """The parts of a table by dataset and model, without the columns of published figures where these are all empty."""
    of_the_paper = [f"{metric}_{name}" for metric in METRICS for name in _OF_THE_PAPER if f"{metric}_{name}" in table]
    parts = [part for _, part in table.groupby(["dataset", "model"], sort=False)]
    return [part.drop(columns=of_the_paper) if part[of_the_paper].isna().all(axis=None) else part for part in parts]


def to_markdown(table: pd.DataFrame, notes: Notes = _NO_NOTES) -> str:
    """One Markdown table for each dataset and model, under its caption."""
    return "\n".join(f"{caption(part, notes)}\n\n{_markdown(readable(part))}\n" for part in groups(table))


def to_latex(table: pd.DataFrame, label: str, notes: Notes = _NO_NOTES) -> str:
    """The same tables as LaTeX, for the packages booktabs and inputenc."""
    texts = []
    for number, part in enumerate(groups(table)):
        shown = readable(part).map(_latex).rename(columns=_latex)
        name = f"tab:{label}" + ("" if number == 0 else f"-{number + 1}")
        text = _latex(caption(part, notes))
        texts.append(shown.to_latex(index=False, caption=text, label=name, position="t"))
    return "% needs \\usepackage{booktabs}\n" + "\n".join(texts)


def to_html(table: pd.DataFrame, notes: Notes = _NO_NOTES) -> str:
    """The same tables as HTML, for `page`."""
    shown = [
        f"<h2>{escape(NETWORKS[part['model'].iloc[0]])} on {escape(part['dataset'].iloc[0])}</h2>"
        f"<p>{escape(caption(part, notes))}</p>{readable(part).to_html(index=False, border=0)}"
        for part in groups(table)
    ]
    return "\n".join(shown)


def sections_to_markdown(title: str, sections: list[tuple[str, list[str]]]) -> str:
    """Headings with their sentences, as Markdown lists."""
    parts = [f"# {title}"]
    parts += [f"## {heading}\n\n" + "\n".join(f"- {sentence}" for sentence in text) for heading, text in sections]
    return "\n\n".join(parts) + "\n"


def sections_to_html(sections: list[tuple[str, list[str]]]) -> str:
    """The same sections as HTML, for `page`."""
    return "\n".join(
        f"<h2>{escape(heading)}</h2>\n<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in text) + "</ul>"
        for heading, text in sections
    )


def rows_to_html(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of text as HTML, for `page`."""
    return pd.DataFrame(rows, columns=list(header)).to_html(index=False, border=0, justify="left", classes="text")


def page(title: str, body: str) -> str:
    """An HTML page that needs no other files."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
{body}
</body>
</html>
"""


_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .25rem .7rem; text-align: right; }
th, td { border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
.text td, .text th { text-align: left; }
thead th { position: sticky; top: 0; background: Canvas; border-bottom-width: 2px; }
tbody tr:hover { background: color-mix(in srgb, currentColor 7%, transparent); }
"""


def _is_constant(column: pd.Series) -> bool:
    return bool((column == column.iloc[0]).all())


def _with_deviation(means: pd.Series, deviations: pd.Series) -> list[str]:
    """Means with two decimals, as in the paper, and with the deviation where there is one."""
    return [
        "" if np.isnan(mean) else f"{mean:.2f}" + ("" if np.isnan(deviation) else f" ± {deviation:.2f}")
        for mean, deviation in zip(means, deviations, strict=True)
    ]


def _markdown(table: pd.DataFrame) -> str:
    return table.to_markdown(index=False, disable_numparse=True, colalign=["right"] * table.shape[1])


def _latex(text: str) -> str:
    for plain, command in (("_", r"\_"), ("%", r"\%"), ("×", r"$\times$"), ("±", r"$\pm$"), ("<", "$<$")):
        text = text.replace(plain, command)
    return text
