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
    threads: lambda w: experiment(w)["training"]["threads"]
    resources:
        mem_mb=lambda w, attempt: attempt * needs.training_mb(config, experiment(w), Representation.parse(w.cell)),
        runtime=1440,  # a training that is stopped there goes on in the next attempt
        gpu=lambda w: int(experiment(w)["training"]["device"] == "cuda"),
    params:
        spec=lambda w: spec(specs.train, config, experiment(w), Representation.parse(w.cell), int(w.seed)),
        code=code("train"),
    shell:
        program(
            "train",
            "--tracks {input.tracks} --manifest {input.manifest}"
            " --folder results/{wildcards.dataset}/{wildcards.model}/{wildcards.cell}/seed{wildcards.seed}",
        )
