"""The parts of docs/real-music.md that compare MUSICNN with VGG-CNN."""

import pandas as pd
from real_music_tables import (
    MAIN_WIDTH,
    Step,
    Tables,
    as_stored,
    estimate,
    markdown,
    name,
    points,
    published_effect,
    step_by_fold,
)

from howlow.names import METRICS, PAPERS_CELL, representation

MUSICNN_STEPS: list[Step] = [("n_mels", 128, 96), ("n_mels", 96, 48), ("sample_rate_hz", 16_000, 12_000)]


def musicnn_table(runs: pd.DataFrame) -> str:
    """MUSICNN and VGG-CNN at the representations that both were trained on, and on average over them."""
    found = {metric: of_models(runs, metric) for metric in METRICS}
    cells = next(iter(found["roc_auc"].values())).index
    rows = [[representation(*cell), *_pair(found, [cell])] for cell in cells]
    rows.append(["on average", *_pair(found, list(cells))])
    head = ["representation"]
    for label in METRICS.values():
        head += [f"{label}, % MUSICNN", "VGG-CNN", "difference (95 % interval)"]
    return markdown(head, rows)


def _pair(found: dict[str, dict[str, pd.DataFrame]], cells: list[tuple[object, ...]]) -> list[str]:
    """The means of both networks over some cells and their difference, for each metric."""
    texts = []
    for of_metric in found.values():
        musicnn, vgg = (of_metric[model].loc[cells].mean().to_numpy() for model in ("musicnn", "vgg"))
        texts += [f"{musicnn.mean():.2f}", f"{vgg.mean():.2f}", points(estimate(musicnn - vgg))]
    return texts


def musicnn_effects_table(tables: Tables) -> str:
    """The average effects of MUSICNN: in the paper, here, and those of VGG-CNN over the same representations."""
    published = tables.published.query("dataset == 'mtat' and model == 'musicnn' and metric == 'roc_auc'")
    published = published[published["log_type"] == "db"]
    found = of_models(tables.runs, "roc_auc")
    rows = []
    for step in MUSICNN_STEPS:
        musicnn, vgg = (step_by_fold(found[model], step) for model in ("musicnn", "vgg"))
        texts = [points(estimate(of_folds)) for of_folds in (musicnn, vgg, musicnn - vgg)]
        rows.append([name(step), f"{published_effect(published, step):+.2f}", *texts])
    return markdown(["step", "the paper, MUSICNN", "MUSICNN", "VGG-CNN", "MUSICNN minus VGG-CNN"], rows)


def of_models(runs: pd.DataFrame, metric: str) -> dict[str, pd.DataFrame]:
    """For each network, a metric in percent of the cells that both networks have: cells by seeds."""
    runs = as_stored(runs)
    narrow = runs[runs["width"] == MAIN_WIDTH]
    tables = {
        model: 100 * narrow[narrow["model"] == model].pivot_table(index=PAPERS_CELL, columns="seed", values=metric)
        for model in ("musicnn", "vgg")
    }
    cells = tables["musicnn"].index.intersection(tables["vgg"].index).sort_values(ascending=False)
    return {model: table.loc[cells] for model, table in tables.items()}
