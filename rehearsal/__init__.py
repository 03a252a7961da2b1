"""Runs a contest script that was written for eight H100 GPUs on the CPU of this machine, without changing a byte of it.

A contest script expects CUDA, flash-attention 3, Triton and `torch.compile`. Each module of this package replaces one
of these by something that computes the same numbers on a CPU, and writes down in the ledger that it did so. A rehearsal
shows that a script runs from its first to its last line and what it computes. It shows neither speed nor memory nor the
rounding of half precision, so its result is called rehearsed and never valid.

    python -m rehearsal train_gpt.py --report report.json

README.md has the options and the report.
"""
