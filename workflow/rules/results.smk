# From all cells to tables and figures.


rule aggregate:
    input:
        metrics=cell_files("metrics.csv"),
        runs=[file for seed in config["seeds"] for file in cell_files(f"seed{seed}/run.json")],
        costs=[f"results/{dataset}/{model}/cost.csv" for dataset, model in EXPERIMENTS],
        manifests=sorted(
            {
                f"results/{dataset}/mel/{cell.sample_rate}/{cell.n_mels}/manifest.json"
                for (dataset, _), cells in CELLS.items()
                for cell in cells
            }
        ),
        tracks=expand("results/{dataset}/tracks.parquet", dataset=DATASETS),
    output:
        runs="results/runs.csv",
        summary="results/summary.csv",
    log:
        "logs/aggregate.log",
    conda:
        ENVIRONMENT
    params:
        spec=spec(specs.aggregate, config),
        code=code("aggregate"),
    shell:
        program("aggregate", "--results results --runs {output.runs} --summary {output.summary}")


rule figure1:
    input:
        "results/summary.csv",
    output:
        pdf="results/figure1.pdf",
        png="results/figure1.png",
    log:
        "logs/figure1.log",
    conda:
        ENVIRONMENT
    params:
        spec=spec(specs.figure1, config),
        code=code("figure1"),
    shell:
        program("figure1", "--summary {input} --pdf {output.pdf} --png {output.png}")
