"""The datasets: their metadata, their splits, and the files of their clips."""
