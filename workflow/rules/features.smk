# From audio shards to the store of mel-spectrograms.


rule mel:
    input:
        "results/{dataset}/audio/{sample_rate}/{shard}.npy",
    output:
        mel="results/{dataset}/mel/{sample_rate}/{n_mels}/{shard}.npy",
        record="results/{dataset}/mel/{sample_rate}/{n_mels}/{shard}.json",
    log:
        "logs/{dataset}/mel/{sample_rate}/{n_mels}/{shard}.log",
    # Before further decoding, so that few audio shards exist at once.
    priority: 1
    conda:
        ENVIRONMENT
    params:
        spec=lambda w: spec(specs.mel, config, int(w.sample_rate), int(w.n_mels)),
        code=code("mel"),
    shell:
        program("mel", "--audio {input} --mel {output.mel} --record {output.record} --threads {threads}")


rule store:
    input:
        tracks="results/{dataset}/tracks.parquet",
        clips=lambda w: expand(
            "results/{dataset}/clips/{sample_rate}/{shard}.json",
            shard=specs.shards(config, w.dataset),
            allow_missing=True,
        ),
        records=lambda w: expand(
            "results/{dataset}/mel/{sample_rate}/{n_mels}/{shard}.{ending}",
            shard=specs.shards(config, w.dataset),
            ending=["npy", "json"],
            allow_missing=True,
        ),
    output:
        "results/{dataset}/mel/{sample_rate}/{n_mels}/manifest.json",
    log:
        "logs/{dataset}/mel/{sample_rate}/{n_mels}/store.log",
    conda:
        ENVIRONMENT
    params:
        spec=lambda w: spec(specs.store, config, w.dataset),
        code=code("store"),
    shell:
        program(
            "store",
            "--tracks {input.tracks} --clips results/{wildcards.dataset}/clips/{wildcards.sample_rate}"
            " --manifest {output}",
        )
