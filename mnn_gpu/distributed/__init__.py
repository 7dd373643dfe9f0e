"""Training on several ranks: MPI between processes, NCCL between GPUs. Not imported by one."""
