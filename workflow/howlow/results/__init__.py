"""From the metrics of all trainings to tables, statistics, figures and sentences."""
