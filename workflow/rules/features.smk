# From audio shards to the store of mel-spectrograms.


rule spectrum:
    input:
        "results/{dataset}/audio/{sample_rate}/{shard}.npy",
    output:
        # Made once for all numbers of bands; as large as the audio, which can go then.
        spectra=temp("results/{dataset}/spectrum/{sample_rate}/{shard}.npy"),
        record="results/{dataset}/spectrum/{sample_rate}/{shard}.json",
    log:
        "logs/{dataset}/spectrum/{sample_rate}/{shard}.log",
    # Before further decoding, so that few shards of audio and of spectra exist at once.
    priority: 1
    conda:
        ENVIRONMENT
    params:
        spec=spec(specs.spectrum, config),
        code=code("spectrum"),
    shell:
        program(
            "spectrum",
            "--audio {input} --spectra {output.spectra} --record {output.record} --threads {threads}",
        )


rule mel:
    input:
        spectra="results/{dataset}/spectrum/{sample_rate}/{shard}.npy",
        record="results/{dataset}/spectrum/{sample_rate}/{shard}.json",
    output:
        mel="results/{dataset}/mel/{sample_rate}/{n_mels}/{shard}.npy",
        record="results/{dataset}/mel/{sample_rate}/{n_mels}/{shard}.json",
    log:
        "logs/{dataset}/mel/{sample_rate}/{n_mels}/{shard}.log",
    priority: 2
    conda:
        ENVIRONMENT
    params:
        spec=lambda w: spec(specs.mel, config, int(w.sample_rate), int(w.n_mels)),
        code=code("mel"),
    shell:
        program(
            "mel",
            "--spectra {input.spectra} --spectra-record {input.record} --mel {output.mel} --record {output.record}"
            " --threads {threads}",
        )


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
