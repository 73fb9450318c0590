"""What the workflow plans, what a whole run makes of audio, and what it reruns after a change."""

import json
import os
import re
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
import sameness
import yaml
from conftest import ROOT, TINY, installed, run_script, snakemake

from howlow import config as configuration
from howlow.config import specs

PLAN = ["--dry-run", "--quiet", "rules"]


def test_mistake_in_the_configuration_gets_one_line(tmp_path):
    (tmp_path / "my.yaml").write_text(TINY.read_text().replace("epochs: 1", "epoch: 1"))
    process = snakemake(tmp_path, *PLAN, "--configfile", "my.yaml")
    assert process.returncode != 0
    message = "my.yaml: experiments[0].training.epoch: unknown key; did you mean 'epochs'?"
    assert any(line.strip().endswith(message) for line in process.stdout.splitlines())
    assert "Traceback" not in process.stdout


def test_variable_that_is_not_set_gets_one_line(tmp_path, monkeypatch):
    monkeypatch.delenv("HOWLOW_REAL_MUSIC", raising=False)
    process = snakemake(tmp_path, *PLAN, "--configfile", ROOT / "docs" / "real-music.yaml")
    assert process.returncode != 0
    assert "datasets.music.root: '$HOWLOW_REAL_MUSIC' names an environment variable that is not set" in process.stdout
    assert "Traceback" not in process.stdout


def test_missing_data_set_is_explained(tmp_path):
    process = snakemake(
        tmp_path, "results/mtat/tracks.parquet", "--cores", 1, "--configfile", ROOT / "config" / "paper.yaml"
    )
    assert process.returncode != 0
    assert "howlow tracks: data/magnatagatune/annotations_final.csv: no such file" in process.stdout
    assert "Traceback" not in process.stdout


def test_snakemakes_lint_finds_only_that_rules_have_no_environment_of_their_own(tmp_path):
    """They can have none, because every program runs under Snakemake's own interpreter, with the same packages."""
    process = snakemake(tmp_path, "--lint", "--configfile", TINY)
    found = set(re.findall(r"^    \* (.+)", process.stdout, re.MULTILINE))
    assert found == {"Specify a conda environment or container for each rule.:"}, process.stdout


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the finished run, and a function that continues it, with a changed configuration if asked for."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder, symlinks=True)

    def go(*arguments, change=lambda config: None):
        config = yaml.safe_load(TINY.read_text())
        change(config)
        (folder / "changed.yaml").write_text(json.dumps(config))
        return snakemake(folder, *arguments, "--configfile", "changed.yaml")

    return folder, go


class TestFinished:
    def test_makes_all_results(self, finished):
        results = finished / "results"
        assert (results / "figure1.pdf").read_bytes().startswith(b"%PDF")
        assert (results / "figure1.png").read_bytes().startswith(b"\x89PNG")
        assert b"/FontFile2" in (results / "figure1.pdf").read_bytes()  # fonts embedded
        runs, summary = pd.read_csv(results / "runs.csv"), pd.read_csv(results / "summary.csv")
        assert list(runs.columns) == [
            "dataset", "model", "sample_rate_hz", "n_mels", "hop_factor", "log_type", "bits", "seconds", "width",
            "seed", "roc_auc", "pr_auc",
            "best_epoch", "train_seconds", "device", "torch", "val_roc_auc", "val_pr_auc", "cell",
        ]  # fmt: skip
        assert list(summary.columns) == [
            "dataset", "model", "sample_rate_hz", "n_mels", "hop_factor", "log_type", "bits", "seconds", "width",
            "n_seeds", "n_folds", "roc_auc_mean",
            "roc_auc_std", "pr_auc_mean", "pr_auc_std", "gmac", "parameters", "bytes_per_clip",
            "n_clips", "n_excluded", "device", "torch", "val_roc_auc_mean", "val_roc_auc_std", "val_pr_auc_mean",
            "val_pr_auc_std", "cell",
        ]  # fmt: skip
        assert len(runs) == 10
        assert len(summary) == 5
        assert summary.notna().all(axis=None)
        assert runs["roc_auc"].between(0, 1).all()
        cell = summary.query("model == 'vgg' and sample_rate_hz == 12000 and n_mels == 8 and hop_factor == 10").iloc[0]
        by_hand = runs.query("model == 'vgg' and sample_rate_hz == 12000 and n_mels == 8 and hop_factor == 10")
        assert cell["roc_auc_mean"] == pytest.approx(by_hand["roc_auc"].mean())
        assert cell["roc_auc_std"] == pytest.approx(np.std(by_hand["roc_auc"], ddof=1))
        assert cell["bytes_per_clip"] == 8 * 137 * 2
        metrics = (
            pd.read_csv(results / "tiny/vgg/12k_mel8_x10_db/metrics.csv").query("tag == '(macro)'").set_index("split")
        )
        for column, split in (("roc_auc", "test"), ("val_roc_auc", "validation")):
            assert cell[f"{column}_mean"] == pytest.approx(metrics.loc[split, "roc_auc"].mean())
        assert (summary["n_clips"] == 24).all()
        assert (summary["n_excluded"] == 0).all()

    def test_times_are_measured_for_every_cell(self, run):
        folder, go = run
        process = go("results/tiny/vgg/times.csv", "--cores", 2)
        assert process.returncode == 0, process.stdout
        times = pd.read_csv(folder / "results/tiny/vgg/times.csv").set_index("cell")
        assert len(times) == 4
        figures = times.drop(columns=["others_percent", "device", "threads"])
        assert (figures > 0).all(axis=None)
        assert times["others_percent"].between(0, 100).all()
        assert (times["device"] == "cpu").all()
        assert times.loc["12k_mel8_x1_log", "extraction_ms"] == times.loc["12k_mel8_x10_db", "extraction_ms"]

    def test_leaves_no_audio_and_nothing_unfinished(self, finished):
        assert not [*finished.glob("results/*/audio/*/*.npy"), *finished.glob("results/*/spectrum/*/*.npy")]
        assert not [*finished.glob("results/**/.*.part")]
        assert (finished / "results/tiny/excluded.csv").read_text() == "clip_id,stage,reason\n"

    def test_stale_results_are_refused_by_name(self, finished, tmp_path):
        """Aggregation itself refuses them, whatever Snakemake does."""
        config = configuration.load(TINY)
        config["experiments"][1]["training"]["learning_rate"] = 0.01
        spec = specs.aggregate(config, config["experiments"][1])
        results, made = finished / "results", (tmp_path / "runs.csv", tmp_path / "summary.csv")
        process = run_script("aggregate", "--results", results, "--runs", made[0], "--summary", made[1], spec=spec)
        assert process.returncode != 0
        stale = "tiny/musicnn/12k_mel8_x1_db/seed1: training.learning_rate is 0.01 now and was 0.001"
        assert f"howlow aggregate: {results}/{stale}. Start the workflow again to make it anew" in process.stderr
        assert not any(path.exists() for path in made)

    def test_touched_results_of_another_window_are_made_again(self, run):
        folder, go = run

        def change(config):
            config["spectrograms"] = {"window": "symmetric"}

        touched = go("--cores", 1, "--touch", change=change)
        assert touched.returncode != 0
        assert "window is symmetric now and was periodic" in touched.stdout.replace("'", "")
        process = go("results/tiny/mel/12000/8/manifest.json", "--cores", 2, change=change)
        assert process.returncode == 0, process.stdout
        assert json.loads((folder / "results/tiny/mel/12000/8/manifest.json").read_text())["window"] == "symmetric"

    def test_scheduler_looks_at_the_jobs_only_when_one_has_finished(self, run):
        """With its own limit of submissions, Snakemake would look once a second for each finished job."""
        _, go = run
        cells = [f"results/tiny/vgg/{cell}/metrics.csv" for cell in ("12k_mel8_x10_db", "16k_mel8_x10_db")]
        steps = [*cells, "results/tiny/musicnn/12k_mel8_x1_db/metrics.csv", "--cores", 1, "--verbose"]
        process = go(*steps, "--forcerun", "evaluate")
        assert process.returncode == 0, process.stdout
        assert process.stdout.count("Ready jobs: ") == 3
        kept = go(*steps, "--forcerun", "evaluate", "--max-jobs-per-timespan", "7/1s")
        assert kept.stdout.count("Ready jobs: ") > 3

    def test_nothing_differs_with_one_core(self, finished, tmp_path):
        targets = ["figure1.pdf", "runs.csv", "full.html", "tags.pdf", "tiny/excluded.csv"]
        process = snakemake(tmp_path, *(f"results/{name}" for name in targets), "--cores", 1, "--configfile", TINY)
        assert process.returncode == 0, process.stdout
        found, expected = sameness.digests(tmp_path), sameness.digests(finished)
        assert len(found) > 100
        assert sameness.differences(found, {name: expected.get(name) for name in found}) == []

    def test_runs_without_an_active_environment(self, run, monkeypatch):
        """Programs run under Snakemake's interpreter, wherever PATH points."""
        folder, go = run
        monkeypatch.setenv("PATH", os.defpath)
        (folder / "results/tiny/left_out.csv").unlink()
        process = go("results/tiny/left_out.csv", "--cores", 1)
        assert process.returncode == 0, process.stdout

    def test_a_bad_clip_is_excluded_by_name_and_everywhere(self, run):
        folder, go = run
        source = folder / "results/tiny/source"
        audio = sorted(source.glob("mp3/0/*.mp3"))[0]
        audio.write_bytes(b"")
        manifests = [path.relative_to(folder) for path in folder.glob("results/tiny/mel/*/*/manifest.json")]
        process = go(
            "results/tiny/excluded.csv", *manifests, "--cores", 2,
            change=lambda config: config["datasets"]["tiny"].update(max_excluded=0.05),
        )  # fmt: skip
        assert process.returncode == 0, process.stdout
        annotations = (source / "annotations_final.csv").read_text().splitlines()
        clip_id = next(line.split("\t")[0].strip('"') for line in annotations if audio.name in line)
        excluded = (folder / "results/tiny/excluded.csv").read_text().splitlines()
        assert excluded == ["clip_id,stage,reason", f"{clip_id},decode,zero bytes"]
        assert len(manifests) == 3
        for manifest in manifests:
            shards = json.loads((folder / manifest).read_text())["shards"]
            clips = [clip for shard in shards for clip in shard["clip_ids"]]
            assert len(clips) == 23
            assert clip_id not in clips

    def test_logs_have_one_line_an_epoch(self, finished):
        log = (finished / "logs/tiny/vgg/12k_mel8_x10_db/seed1.log").read_text()
        assert re.search(r"^epoch 1/1: training loss \d\.\d+, validation loss \d\.\d+$", log, re.MULTILINE)
        assert "%|" not in log  # no progress bars in files

    def test_tables_figures_and_pages_are_there(self, finished):
        results = finished / "results"
        for name in ("figure1.pdf", "tradeoff.pdf", "tags.pdf", "tiny/vgg/curves.pdf", "tiny/musicnn/curves.pdf"):
            assert b"/FontFile2" in (results / name).read_bytes(), name  # fonts embedded
            assert (results / name).with_suffix(".png").read_bytes().startswith(b"\x89PNG")
        assert len(pd.read_csv(results / "full.csv")) == 5
        assert pd.read_csv(results / "table4.csv")["model"].tolist() == ["musicnn"]
        assert not any("published" in column for column in pd.read_csv(results / "full.csv"))
        assert r"\toprule" in (results / "table5.tex").read_text()
        statistics = pd.read_csv(results / "statistics.csv")
        assert len(statistics) == 2 * 2  # 16 against 8 bands, and one sample rate against the other; two metrics
        assert statistics[["low_seeds_points", "low_clips_points", "low_points"]].notna().all(axis=None)
        effects = pd.read_csv(results / "effects.csv")
        assert sorted(effects["axis"]) == ["n_mels", "n_mels", "sample_rate_hz", "sample_rate_hz"]
        assert effects[["low_seeds_points", "low_clips_points", "low_points"]].notna().all(axis=None)
        trade = pd.read_csv(results / "tradeoff.csv")
        assert len(trade) == 5
        assert trade["inference_ms_batch_64"].gt(0).all()
        assert "has the best ROC AUC" in (results / "recommendation.md").read_text()
        assert set(pd.read_csv(results / "sound.csv")["method"]) == {"noise"}
        assert len([*(results / "sound").glob("*/*.flac")]) == 1 + 4

    def test_what_made_the_results_is_told(self, finished):
        """The page is made from the records of the results, not from what is installed when it is made."""
        page = (finished / "results/about.html").read_text()
        (rows,) = re.findall(r"What made the results</h2>(.*?)<h2>", page, re.DOTALL)
        made_by = [re.findall(r"<td>(.*?)</td>", row) for row in rows.split("<tr>")]
        by_result = {row[0]: row[1:] for row in made_by if row}
        number, _, device, versions = by_result["tiny: vgg, trainings"]
        run = json.loads((finished / "results/tiny/vgg/12k_mel8_x10_db/seed1/run.json").read_text())
        assert number == "8"
        assert device == run["device"]
        assert f"torch {run['versions']['torch']}" in versions
        assert by_result["figure1"][0] == "1"
        assert by_result["tiny: spectrograms"][0] == "3"

    def test_configuration_that_was_written_is_the_same(self, run):
        folder, go = run
        written = yaml.safe_load((folder / "results/configuration.yaml").read_text())
        assert "Nothing to be done" in go(*PLAN, change=lambda config: config.update(written)).stdout

    def test_report_opens_without_a_network(self, run):
        """In Chromium every page opens, figures load, players know their length, and the console has no error."""
        chromium = installed("chromium", "chromium")
        from playwright.sync_api import sync_playwright

        folder, go = run
        process = go("--report", "results/report.zip")
        assert process.returncode == 0, process.stdout
        with zipfile.ZipFile(folder / "results/report.zip") as archive:
            archive.extractall(folder)
        errors: list[str] = []
        seen: dict[str, list[str]] = {}
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            context = browser.new_context(offline=True)
            context.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
            context.on("weberror", lambda error: errors.append(str(error.error)))
            page = context.new_page()
            for category in REPORT:
                page.goto((folder / "report/report.html").as_uri())
                page.get_by_text(category, exact=True).first.click()
                rows = page.locator("nav tr:has(a)")
                rows.first.wait_for()
                seen[category] = [row.inner_text().strip() for row in rows.all()]
                for row in rows.all():
                    if not row.inner_text().strip().endswith("(CSV)"):  # those are downloads
                        row.locator("a").first.click()
                        _check_content(page)
            browser.close()
        assert {category: len(rows) for category, rows in seen.items()} == REPORT
        assert errors == []


# Number of results by category of the report.
REPORT = {
    "Figures": 2,
    "Tables": 4,
    "Comparisons": 3,
    "Trade-off": 6,
    "Training": 2,
    "Sound": 1,
    "Clips": 1,
    "Provenance": 1,
}


def _check_content(page):
    """Check that the report shows a picture that loaded, or a page with text and with players of some length."""
    page.wait_for_function(
        """() => [...document.querySelectorAll("#app img, #app iframe")].some(shown =>
            shown.tagName == "IFRAME" ? shown.src.includes("data/raw")
                : shown.src.includes("data/raw") && shown.complete && shown.naturalWidth > 100)"""
    )
    frame = next((frame for frame in page.frames if "data/raw" in frame.url), None)
    if frame is not None:
        frame.wait_for_load_state("load")
        assert len(frame.inner_text("body")) > 20
        frame.wait_for_function("() => [...document.querySelectorAll('audio')].every(player => player.duration > 1)")
