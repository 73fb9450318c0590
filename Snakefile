# The entry point: `snakemake --cores 8 results/figure1.pdf` works in this folder without further settings.
include: "workflow/Snakefile"


# Snakemake takes no default target from an included file.
snakemake_internals.set_default_target(workflow, "all")
