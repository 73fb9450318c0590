"""From audio files to mel-spectrograms, and how they are stored and read."""
