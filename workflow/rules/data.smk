# These rules turn a dataset's own files into tracks.parquet and shards of audio.


rule demo:
    input:
        changed=changed("demo"),
    output:
        record=record("demo"),
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
        spec=spec("demo"),
    shell:
        program("demo", "--root results/{wildcards.dataset}/source --threads {threads}")


rule download:
    input:
        changed=changed("download"),
    output:
        record=record("download"),
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
        spec=spec("download"),
    shell:
        program("download", "--root results/{wildcards.dataset}/source")


rule tracks:
    input:
        inputs_of_tracks,
        changed=changed("tracks"),
    output:
        record=record("tracks"),
        tracks="results/{dataset}/tracks.parquet",
        left_out="results/{dataset}/left_out.csv",
    log:
        "logs/{dataset}/tracks.log",
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=30,
    params:
        spec=spec("tracks"),
        paths=paths,
        metadata=lambda w, input: as_text(
            {name: str(path) for name, path in specs.metadata_files(config, w.dataset).items()}
        ),
    shell:
        program(
            "tracks",
            "--paths {params.paths:q} --metadata {params.metadata:q} --tracks {output.tracks} --left-out {output.left_out}",
        )


rule decode:
    input:
        unpack(inputs_of_decode),
    output:
        audio=temp("results/{dataset}/audio/{sample_rate}/{shard}.npy"),
        record=record("decode"),
    log:
        "logs/{dataset}/decode/{sample_rate}/{shard}.log",
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=120,
    params:
        spec=spec("decode"),
        root=lambda w, input: specs.root(config, w.dataset),
    shell:
        program(
            "decode",
            "--tracks {input.tracks} --shard {wildcards.shard} --root {params.root:q} --audio {output.audio}"
            " --threads {threads}",
        )


rule excluded:
    input:
        changed=changed("excluded"),
        left_out="results/{dataset}/left_out.csv",
        clips=lambda w: expand(
            "results/{dataset}/clips/{sample_rate}/{shard}.json",
            dataset=w.dataset,
            sample_rate=specs.sample_rates(config, w.dataset),
            shard=specs.shards(config, w.dataset),
        ),
    output:
        record=record("excluded"),
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
        spec=spec("excluded"),
    shell:
        program(
            "excluded",
            "--left-out {input.left_out} --clips results/{wildcards.dataset}/clips --excluded {output.table} --page {output.page}",
        )
