# The entry: `snakemake --cores 8 results/figure1.pdf` works from this folder as it stands.
include: "workflow/Snakefile"


# Here and not in workflow/: Snakemake takes no default target from an included file.
rule all:
    input:
        RESULTS,
        "results/about.html",
