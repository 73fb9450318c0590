# What the cells reach, and what they cost.


rule evaluate:
    input:
        tracks="results/{dataset}/tracks.parquet",
        scores=expand(
            "results/{dataset}/{model}/{cell}/seed{seed}/scores.parquet", seed=config["seeds"], allow_missing=True
        ),
    output:
        "results/{dataset}/{model}/{cell}/metrics.csv",
    log:
        "logs/{dataset}/{model}/{cell}/evaluate.log",
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=30,
    params:
        spec=spec(specs.evaluate, config),
        code=code("evaluate"),
    shell:
        program(
            "evaluate",
            "--tracks {input.tracks} --folder results/{wildcards.dataset}/{wildcards.model}/{wildcards.cell}",
        )


rule cost:
    input:
        tracks="results/{dataset}/tracks.parquet",
    output:
        "results/{dataset}/{model}/cost.csv",
    log:
        "logs/{dataset}/{model}/cost.log",
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=10,
    params:
        spec=lambda w: spec(specs.cost, config, experiment(w)),
        code=code("cost"),
    shell:
        program("cost", "--tracks {input.tracks} --cost {output}")


rule times:
    input:
        tracks="results/{dataset}/tracks.parquet",
        runs="results/{dataset}/{model}/runs.csv",  # waits for all trainings
    output:
        "results/{dataset}/{model}/times.csv",
    log:
        "logs/{dataset}/{model}/times.log",
    # All cores of a laptop, so that no other job disturbs what is measured; the network uses as many as in training.
    threads: 8
    resources:
        mem_mb=lambda w: max(needs.training_mb(config, experiment(w), cell, 64) for cell in CELLS[w.dataset, w.model]),
        runtime=240,
        gpu=lambda w: int(experiment(w)["training"]["device"] == "cuda"),
    params:
        spec=lambda w: spec(specs.times, config, experiment(w)),
        code=code("times"),
    shell:
        program("times", "--tracks {input.tracks} --times {output}")
