"""How well trained networks tag: scores, metrics, and the metrics of resampled clips."""
