# These rules turn shards of audio into the store of mel-spectrograms.


rule spectrum:
    input:
        changed=changed("spectrum"),
        audio="results/{dataset}/audio/{sample_rate}/{shard}.npy",
        clips="results/{dataset}/clips/{sample_rate}/{shard}.json",
    output:
        # The spectra serve all numbers of bands. They are as large as the audio, which is deleted then.
        spectra=temp("results/{dataset}/spectrum/{sample_rate}/{shard}.npy"),
        record=record("spectrum"),
    log:
        "logs/{dataset}/spectrum/{sample_rate}/{shard}.log",
    # This runs before further decoding, so that few shards of audio and of spectra exist at once.
    priority: 1
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=60,
    params:
        spec=spec("spectrum"),
    shell:
        program(
            "spectrum",
            "--audio {input.audio} --clips {input.clips} --spectra {output.spectra} --threads {threads}",
        )


rule mel:
    input:
        unpack(inputs_of_mel),
    output:
        mel="results/{dataset}/mel/{sample_rate}/{n_mels}/{shard}.npy",
        record=record("mel"),
    log:
        "logs/{dataset}/mel/{sample_rate}/{n_mels}/{shard}.log",
    priority: 2
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=60,
    params:
        spec=spec("mel"),
    shell:
        program(
            "mel",
            "--spectra {input.spectra} --spectra-record {input.record} --mel {output.mel} --threads {threads}",
        )


rule store:
    input:
        changed=changed("store"),
        tracks="results/{dataset}/tracks.parquet",
        records=lambda w: expand(
            "results/{dataset}/mel/{sample_rate}/{n_mels}/{shard}.{ending}",
            shard=specs.shards(config, w.dataset),
            ending=["npy", "json"],
            allow_missing=True,
        ),
    output:
        record=record("store"),
    log:
        "logs/{dataset}/mel/{sample_rate}/{n_mels}/store.log",
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        spec=spec("store"),
    shell:
        program("store", "--tracks {input.tracks}")


rule levels:
    input:
        changed=changed("levels"),
        tracks="results/{dataset}/tracks.parquet",
        manifest="results/{dataset}/mel/{sample_rate}/{n_mels}/manifest.json",
    output:
        record=record("levels"),
    log:
        "logs/{dataset}/mel/{sample_rate}/{n_mels}/levels.log",
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=60,
    params:
        spec=spec("levels"),
    shell:
        program("levels", "--tracks {input.tracks} --manifest {input.manifest}")
