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
        mem_mb=lambda w, attempt: attempt * needs.training_mb(config, experiment(w), Representation.parse(w.cell)),
        runtime=1440,  # a training that is stopped there goes on in the next attempt
        gpu=lambda w: int(experiment(w)["training"]["device"] == "cuda"),
    params:
        spec=spec("train"),
        device=lambda w, input: experiment(w)["training"]["device"],
    shell:
        program(
            "train",
            "--tracks {input.tracks} --manifest {input.manifest} --device {params.device}"
            " --folder results/{wildcards.dataset}/{wildcards.model}/{wildcards.cell}/seed{wildcards.seed}",
        )
