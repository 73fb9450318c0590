"""What a run takes, how it is planned, and how it fares."""
