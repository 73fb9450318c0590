# From audio shards to the store of mel-spectrograms.


rule spectrum:
    input:
        audio="results/{dataset}/audio/{sample_rate}/{shard}.npy",
        clips="results/{dataset}/clips/{sample_rate}/{shard}.json",
    output:
        # Made once for all numbers of bands; as large as the audio, which can go then.
        spectra=temp("results/{dataset}/spectrum/{sample_rate}/{shard}.npy"),
        record="results/{dataset}/spectrum/{sample_rate}/{shard}.json",
    log:
        "logs/{dataset}/spectrum/{sample_rate}/{shard}.log",
    # Before further decoding, so that few shards of audio and of spectra exist at once.
    priority: 1
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=60,
    params:
        spec=spec(specs.spectrum, config),
        code=code("spectrum"),
    shell:
        program(
            "spectrum",
            "--audio {input.audio} --clips {input.clips} --spectra {output.spectra} --record {output.record}"
            " --threads {threads}",
        )


rule mel:
    input:
        unpack(spectra_to_reduce),
    output:
        mel="results/{dataset}/mel/{sample_rate}/{n_mels}/{shard}.npy",
        record="results/{dataset}/mel/{sample_rate}/{n_mels}/{shard}.json",
    log:
        "logs/{dataset}/mel/{sample_rate}/{n_mels}/{shard}.log",
    priority: 2
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=60,
    params:
        spec=lambda w: spec(specs.mel, config, int(w.sample_rate), int(w.n_mels)),
        code=code("mel"),
        source=lambda w: origin(w.dataset, w.sample_rate, w.shard),
    shell:
        program(
            "mel",
            "--spectra {input.spectra} --spectra-record {input.record} --source {params.source} --mel {output.mel}"
            " --record {output.record} --threads {threads}",
        )


rule store:
    input:
        tracks="results/{dataset}/tracks.parquet",
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
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        spec=lambda w: spec(specs.store, config, w.dataset),
        code=code("store"),
    shell:
        program("store", "--tracks {input.tracks} --manifest {output}")
