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
    conda:
        ENVIRONMENT
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
    conda:
        ENVIRONMENT
    params:
        spec=lambda w: spec(specs.cost, config, experiment(w)),
        code=code("cost"),
    shell:
        program("cost", "--tracks {input.tracks} --cost {output}")
