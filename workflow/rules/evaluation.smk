# These rules compute the metrics, the costs and the times of the cells.


rule evaluate:
    input:
        changed=changed("evaluate"),
        tracks="results/{dataset}/tracks.parquet",
        scores=expand(
            "results/{dataset}/{model}/{cell}/seed{seed}/scores.parquet", seed=config["seeds"], allow_missing=True
        ),
    output:
        record=record("evaluate"),
        metrics="results/{dataset}/{model}/{cell}/metrics.csv",
    log:
        "logs/{dataset}/{model}/{cell}/evaluate.log",
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=30,
    params:
        spec=spec("evaluate"),
    shell:
        program(
            "evaluate",
            "--tracks {input.tracks} --folder results/{wildcards.dataset}/{wildcards.model}/{wildcards.cell}",
        )


rule cost:
    input:
        changed=changed("cost"),
        tracks="results/{dataset}/tracks.parquet",
    output:
        record=record("cost"),
        cost="results/{dataset}/{model}/cost.csv",
    log:
        "logs/{dataset}/{model}/cost.log",
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=10,
    params:
        spec=spec("cost"),
    shell:
        program("cost", "--tracks {input.tracks} --cost {output.cost}")


rule times:
    input:
        changed=changed("times"),
        tracks="results/{dataset}/tracks.parquet",
        runs="results/{dataset}/{model}/runs.csv",  # is not read; it exists when all trainings are done
    output:
        record=record("times"),
        times="results/{dataset}/{model}/times.csv",
    log:
        "logs/{dataset}/{model}/times.log",
    # The rule asks for all cores of a laptop, so that no other job disturbs the measurement. The network uses as many
    # as in training.
    threads: 8
    resources:
        mem_mb=lambda w: max(memory.host_mb(spec, takes_gpu(w)) for spec in specs_of_trainings(w)),
        runtime=1440,
        gpu=lambda w: int(takes_gpu(w)),
    params:
        spec=spec("times"),
        device=device_options,
    shell:
        program("times", "--tracks {input.tracks} --times {output.times} {params.device}")
