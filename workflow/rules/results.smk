# These rules turn the results of all cells into tables, figures and pages. Those that read a file of every cell have
# `runs.csv` as input, which needs all of them: naming each would take a third of the planning of 10,000 cells.


rule aggregate:
    input:
        changed=changed("aggregate"),
        metrics=lambda w: experiment_files(w, "metrics.csv"),
        runs=lambda w: [file for seed in config["seeds"] for file in experiment_files(w, f"seed{seed}/run.json")],
        cost="results/{dataset}/{model}/cost.csv",
        manifests=lambda w: sorted(
            {
                f"results/{w.dataset}/mel/{cell.sample_rate}/{cell.n_mels}/manifest.json"
                for cell in CELLS[w.dataset, w.model].values()
            }
        ),
        tracks="results/{dataset}/tracks.parquet",
    output:
        record=record("aggregate"),
        runs="results/{dataset}/{model}/runs.csv",
        summary="results/{dataset}/{model}/summary.csv",
    log:
        "logs/{dataset}/{model}/aggregate.log",
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=10,
    params:
        spec=spec("aggregate"),
    shell:
        program("aggregate", "--results results --runs {output.runs} --summary {output.summary}")


rule collect:
    input:
        changed=changed("collect"),
        runs=of_experiments("runs.csv"),
        summaries=of_experiments("summary.csv"),
    output:
        record=record("collect"),
        runs=report(
            "results/runs.csv", category="Tables", caption="../report/runs.rst", labels={"result": "All runs (CSV)"}
        ),
        summary="results/summary.csv",
    log:
        "logs/collect.log",
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        spec=spec("collect"),
    shell:
        program(
            "collect",
            "--of-runs {input.runs} --of-summary {input.summaries} --runs {output.runs} --summary {output.summary}",
        )


rule figure1:
    input:
        changed=changed("figure1"),
        summary=of_experiment(config["figure1"], "summary.csv"),
    output:
        record=record("figure1"),
        pdf="results/figure1.pdf",
        png=report(
            "results/figure1.png", category="Figures", caption="../report/figure1.rst", labels={"result": "Figure 1"}
        ),
    log:
        "logs/figure1.log",
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=10,
    params:
        spec=spec("figure1"),
    shell:
        program("figure1", "--summary {input.summary} --figures {output.pdf} {output.png}")


rule paper_table:
    input:
        changed=changed("paper_table"),
        summaries=lambda w: of_experiments("summary.csv", specs.shown(config, w.table)),
        tracks=lambda w: [f"results/{e['dataset']}/tracks.parquet" for e in specs.shown(config, w.table)],
    output:
        record=record("paper_table"),
        csv="results/{table}.csv",
        markdown="results/{table}.md",
        latex="results/{table}.tex",
        page=report(
            "results/{table}.html", category="Tables", caption="../report/table.rst", labels={"result": "{table}"}
        ),
    log:
        "logs/{table}.log",
    wildcard_constraints:
        table=one_of(*(table for table in ("table4", "table5", "full") if specs.shown(config, table))),
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=10,
    params:
        spec=spec("paper_table"),
    shell:
        program(
            "paper_table",
            "--results results --summaries {input.summaries}"
            " --tables {output.csv} {output.markdown} {output.latex} {output.page}",
        )


rule bootstrap:
    input:
        changed=changed("bootstrap"),
        runs="results/{dataset}/{model}/runs.csv",
        tracks="results/{dataset}/tracks.parquet",
    output:
        record=record("bootstrap"),
        resampled="results/{dataset}/{model}/bootstrap.npz",
    log:
        "logs/{dataset}/{model}/bootstrap.log",
    threads: 2
    resources:
        mem_mb=more(4_000),
        runtime=240,
    params:
        spec=spec("bootstrap"),
    shell:
        program(
            "bootstrap",
            "--tracks {input.tracks} --folder results/{wildcards.dataset}/{wildcards.model}"
            " --resampled {output.resampled} --threads {threads}",
        )


rule statistics:
    input:
        changed=changed("statistics"),
        runs="results/runs.csv",
        resampled=of_experiments("bootstrap.npz"),
    output:
        record=record("statistics"),
        effects=report(
            "results/effects.csv",
            category="Comparisons",
            caption="../report/effects.rst",
            labels={"result": "Average effects (CSV)"},
        ),
        table=report(
            "results/statistics.csv",
            category="Comparisons",
            caption="../report/statistics.rst",
            labels={"result": "All pairs (CSV)"},
        ),
        text="results/statistics.md",
        page=report(
            "results/statistics.html",
            category="Comparisons",
            caption="../report/statistics.rst",
            labels={"result": "In words, and all comparisons"},
        ),
    log:
        "logs/statistics.log",
    threads: 1
    resources:
        mem_mb=more(4_000),
        runtime=60,
    params:
        spec=spec("statistics"),
    shell:
        program(
            "statistics",
            "--results results --runs {input.runs} --effects {output.effects} --table {output.table}"
            " --text {output.text} --page {output.page}",
        )


rule tags:
    input:
        of_experiment(config["figure1"], "runs.csv"),
        changed=changed("tags"),
    output:
        record=record("tags"),
        table="results/tags.csv",
        pdf="results/tags.pdf",
        png=report(
            "results/tags.png",
            category="Figures",
            caption="../report/tags.rst",
            labels={"result": "Which tags suffer"},
        ),
    log:
        "logs/tags.log",
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=10,
    params:
        spec=spec("tags"),
    shell:
        program(
            "tags",
            f"--folder results/{MAIN[0]}/{MAIN[1]}" " --table {output.table} --figures {output.pdf} {output.png}",
        )


rule curves:
    input:
        "results/{dataset}/{model}/runs.csv",
        changed=changed("curves"),
    output:
        record=record("curves"),
        pdf="results/{dataset}/{model}/curves.pdf",
        png=report(
            "results/{dataset}/{model}/curves.png",
            category="Training",
            caption="../report/curves.rst",
            labels={"result": "{model} on {dataset}"},
        ),
    log:
        "logs/{dataset}/{model}/curves.log",
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=10,
    params:
        spec=spec("curves"),
    shell:
        program("curves", "--folder results/{wildcards.dataset}/{wildcards.model} --figures {output.pdf} {output.png}")


rule sonify:
    input:
        changed=changed("sonify"),
        tracks=f"results/{MAIN[0]}/tracks.parquet",
        manifests=sorted(
            {f"results/{MAIN[0]}/mel/{cell.sample_rate}/{cell.n_mels}/manifest.json" for cell in CELLS[MAIN].values()}
        ),
        ranges=sorted({path for cell in CELLS[MAIN] for path in ranges(OfCell(*MAIN, cell))}),
    output:
        record=record("sonify"),
        page=report(
            "results/sound.html",
            category="Sound",
            caption="../report/sound.rst",
            labels={"result": "Representations as sound"},
        ),
        table="results/sound.csv",
        audio=directory("results/sound"),
    log:
        "logs/sonify.log",
    threads: 1
    resources:
        mem_mb=more(2_000),
        runtime=120,
    params:
        spec=spec("sonify"),
        paths=lambda w, input: as_text(specs.paths(config, MAIN[0])),
    shell:
        program(
            "sonify",
            f"--tracks {{input.tracks}} --paths {{params.paths:q}} --mel results/{MAIN[0]}/mel"
            " --page {output.page} --correlations {output.table} --audio {output.audio}",
        )


# The inputs of the rule `all`, except for the page about the provenance of all results.
RESULTS = [
    *(
        f"results/{name}"
        for name in (
            "figure1.pdf",
            "summary.csv",
            "full.html",
            "statistics.html",
            "recommendation.html",
            "exchange.pdf",
            "frontier.md",
            "tags.pdf",
            "sound.html",
        )
    ),
    *(f"results/{table}.html" for table in ("table4", "table5") if table in config),
    *of_experiments("curves.pdf"),
    *(f"results/{dataset}/excluded.html" for dataset in DATASETS),
]


rule about:
    input:
        RESULTS,
        changed=changed("about"),
    output:
        record=record("about"),
        configuration="results/configuration.yaml",
        versions="results/versions.csv",
        page=report(
            "results/about.html",
            category="Provenance",
            caption="../report/about.rst",
            labels={"result": "Configuration and versions"},
        ),
    log:
        "logs/about.log",
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        spec=spec("about"),
    shell:
        program(
            "about",
            "--results results --configuration {output.configuration} --versions {output.versions} --page {output.page}",
        )
