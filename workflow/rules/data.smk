# From a dataset's own files to tracks.parquet and to audio shards.


rule demo:
    output:
        annotations="results/{dataset}/source/annotations_final.csv",
        clip_info="results/{dataset}/source/clip_info_final.csv",
        audio=directory("results/{dataset}/source/mp3"),
    log:
        "logs/{dataset}/demo.log",
    wildcard_constraints:
        dataset=one_of(*(name for name in DATASETS if kind(name) == "demo")),
    threads: 8
    resources:
        mem_mb=4_000,
        runtime=60,
    params:
        spec=lambda w: spec(specs.demo, config, w.dataset),
        code=code("demo"),
    shell:
        program("demo", "--root results/{wildcards.dataset}/source --threads {threads}")


rule download:
    output:
        annotations="results/{dataset}/source/annotations_final.csv",
        clip_info="results/{dataset}/source/clip_info_final.csv",
        audio=directory("results/{dataset}/source/mp3"),
    log:
        "logs/{dataset}/download.log",
    wildcard_constraints:
        dataset=one_of(*(name for name in DATASETS if kind(name) == "mtat")),
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=240,
    params:
        spec=lambda w: spec(specs.download, config, w.dataset),
        code=code("download"),
    shell:
        program("download", "--root results/{wildcards.dataset}/source")


rule tracks:
    input:
        metadata,
    output:
        tracks="results/{dataset}/tracks.parquet",
        left_out="results/{dataset}/left_out.csv",
    log:
        "logs/{dataset}/tracks.log",
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=30,
    params:
        spec=lambda w: spec(specs.tracks, config, w.dataset),
        code=code("tracks"),
    shell:
        program("tracks", "--tracks {output.tracks} --left-out {output.left_out}")


rule decode:
    input:
        tracks=tracks_to_decode,
        audio=generated_audio,
    output:
        audio=temp("results/{dataset}/audio/{sample_rate}/{shard}.npy"),
        clips="results/{dataset}/clips/{sample_rate}/{shard}.json",
    log:
        "logs/{dataset}/decode/{sample_rate}/{shard}.log",
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=120,
    params:
        spec=lambda w: spec(specs.decode, config, w.dataset, int(w.sample_rate)),
        source=lambda w: audio_state(w.dataset, w.shard),
        code=code("decode"),
    shell:
        program(
            "decode",
            "--tracks {input.tracks} --shard {wildcards.shard} --source {params.source} --audio {output.audio}"
            " --clips {output.clips} --threads {threads}",
        )


rule excluded:
    input:
        left_out="results/{dataset}/left_out.csv",
        clips=lambda w: expand(
            "results/{dataset}/clips/{sample_rate}/{shard}.json",
            dataset=w.dataset,
            sample_rate=specs.sample_rates(config, w.dataset),
            shard=specs.shards(config, w.dataset),
        ),
    output:
        table="results/{dataset}/excluded.csv",
        page=report(
            "results/{dataset}/excluded.html",
            category="Clips",
            caption="../report/excluded.rst",
            labels={"dataset": "{dataset}"},
        ),
    log:
        "logs/{dataset}/excluded.log",
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        spec=lambda w: spec(specs.excluded, config, w.dataset),
        code=code("excluded"),
    shell:
        program(
            "excluded",
            "--left-out {input.left_out} --clips results/{wildcards.dataset}/clips --excluded {output.table} --page {output.page}",
        )
