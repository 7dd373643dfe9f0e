"""Training on many ranks: MPI between processes, NCCL between GPUs. No lone run imports it."""
