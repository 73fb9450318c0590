"""How far can mel-spectrograms shrink before a music auto-tagger suffers, and what does that save?

The library of the howlow workflow: how things are computed. What runs when is the matter of the Snakemake rules beside
it; nothing in here knows Snakemake. There is a package for each stage, from the bottom up:

- `data`: datasets, their metadata and splits; `features`: from audio to stored mel-spectrograms
- `networks`: one module each, and `registry`; `evaluation`: metrics; `training`: batches, protocol and loop
- `config`: the configuration, and what each stage reads of it; `tagging`: a trained network on anybody's files
- `results`: statistics, tables and figures; `planning`: what a run takes, and how it fares

Imports run downwards only. The modules that are in no package are below all of them.
"""
