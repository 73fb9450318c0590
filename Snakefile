# The entry: `snakemake --cores 8 results/figure1.pdf` works from this folder as it stands.
include: "workflow/Snakefile"


# Here and not in workflow/: Snakemake takes no default target from an included file.
rule all:
    input:
        expand(
            "results/{name}",
            name=[
                "figure1.pdf",
                "summary.csv",
                "full.html",
                "statistics.html",
                "recommendation.html",
                "tags.pdf",
                "sound.html",
                "about.html",
            ],
        ),
        [f"results/{table}.html" for table in ("table4", "table5") if table in config],
        of_experiments("curves.pdf"),
        expand("results/{dataset}/excluded.html", dataset=DATASETS),
