"""The training of networks: batches, the protocol, and the loop."""
