# One job a cell and seed.


rule train:
    input:
        changed=changed("train"),
        tracks="results/{dataset}/tracks.parquet",
        manifest=manifest,
    output:
        # Snakemake leaves these there: a training whose inputs turn out to be what they were has nothing to do.
        record=update(record("train")),
        model=update("results/{dataset}/{model}/{cell}/seed{seed}/model.pt"),
        history=update("results/{dataset}/{model}/{cell}/seed{seed}/history.csv"),
        scores=update("results/{dataset}/{model}/{cell}/seed{seed}/scores.parquet"),
    log:
        "logs/{dataset}/{model}/{cell}/seed{seed}.log",
    threads: lambda w: experiment(w)["training"]["threads"]
    resources:
        # Half as much again in the next attempt, which goes on where the first one was stopped: for its memory, or at
        # its time limit.
        mem_mb=lambda w, attempt: needs.host_mb(spec_of_training(w), takes_gpu(w)) * (attempt + 1) // 2,
        runtime=1440,
        gpu=lambda w: int(takes_gpu(w)),
    params:
        spec=spec("train"),
        device=device_options,
    shell:
        program(
            "train",
            "--tracks {input.tracks} --manifest {input.manifest} {params.device}"
            " --folder results/{wildcards.dataset}/{wildcards.model}/{wildcards.cell}/seed{wildcards.seed}",
        )
