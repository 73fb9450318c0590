# One job a cell and seed.


rule train:
    input:
        tracks="results/{dataset}/tracks.parquet",
        manifest=manifest,
    output:
        model="results/{dataset}/{model}/{cell}/seed{seed}/model.pt",
        history="results/{dataset}/{model}/{cell}/seed{seed}/history.csv",
        scores="results/{dataset}/{model}/{cell}/seed{seed}/scores.parquet",
        run="results/{dataset}/{model}/{cell}/seed{seed}/run.json",
    log:
        "logs/{dataset}/{model}/{cell}/seed{seed}.log",
    conda:
        ENVIRONMENT
    threads: lambda w: experiment(w)["training"]["threads"]
    resources:
        # Half as much again in the next attempt, which goes on where the first one was stopped: for its memory, or at
        # its time limit.
        mem_mb=lambda w, attempt: needs.host_mb(train_spec(w), takes_gpu(w)) * (attempt + 1) // 2,
        runtime=1440,
        gpu=lambda w: int(takes_gpu(w)),
    params:
        spec=lambda w: provenance.canonical(train_spec(w)),
        code=code("train"),
        device=lambda w, resources: device_options(w),  # a parameter that depends on resources reruns nothing
    shell:
        program(
            "train",
            "--tracks {input.tracks} --manifest {input.manifest} {params.device}"
            " --folder results/{wildcards.dataset}/{wildcards.model}/{wildcards.cell}/seed{wildcards.seed}",
        )
