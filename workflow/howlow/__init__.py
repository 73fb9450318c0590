"""How far can mel-spectrograms shrink before a music auto-tagger suffers, and what does that save?

The library of the howlow workflow: how things are computed. What runs when is the matter of the
Snakemake rules beside it; nothing in here knows Snakemake.
"""
