# The entry point: `snakemake --cores 8 results/figure1.pdf` works in this folder without further settings.
include: "workflow/Snakefile"


# This rule is not in workflow/, because Snakemake takes no default target from an included file.
rule all:
    input:
        RESULTS,
        "results/about.html",
