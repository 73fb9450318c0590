# There is one training job for each cell and seed.


rule train:
    input:
        changed=changed("train"),
        tracks="results/{dataset}/tracks.parquet",
        manifest=manifest,
        ranges=ranges,
    output:
        # Snakemake does not delete these before a job, because the job has nothing to do if its inputs are unchanged.
        record=update(record("train")),
        model=update("results/{dataset}/{model}/{cell}/seed{seed}/model.pt"),
        history=update("results/{dataset}/{model}/{cell}/seed{seed}/history.csv"),
        scores=update("results/{dataset}/{model}/{cell}/seed{seed}/scores.parquet"),
    log:
        "logs/{dataset}/{model}/{cell}/seed{seed}.log",
    threads: lambda w: experiment(w)["training"]["threads"]
    resources:
        # The second attempt gets half as much memory again. It resumes where the first one stopped, for lack of memory
        # or at its time limit.
        mem_mb=lambda w, attempt: memory.host_mb(spec_of_training(w), takes_gpu(w)) * (attempt + 1) // 2,
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
