#!/usr/bin/env python3
"""bench_torch.py NORM BATCH THREADS SECONDS: session 8 in PyTorch, the peer of bench_training.c.

Prints `train RATE infer RATE` (images a second) for the better of the two memory formats.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden"))
import torch
import torch.nn.functional as F
from session8_model import Session8


def rate(step, batch, seconds):
    for _ in range(3):
        step()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        step()
        count += 1
    return count * batch / (time.perf_counter() - start)


def main(norm, batch, threads, seconds):
    torch.set_num_threads(threads)
    best_train = best_infer = 0.0
    for layout in (torch.contiguous_format, torch.channels_last):
        model = Session8(norm).to(memory_format=layout)
        optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        x = torch.randn(batch, 3, 32, 32).to(memory_format=layout)
        y = torch.randint(0, 10, (batch,))

        def train():
            optimiser.zero_grad()
            F.nll_loss(model(x), y).backward()
            optimiser.step()

        best_train = max(best_train, rate(train, batch, seconds))
        model.eval()
        with torch.no_grad():
            best_infer = max(best_infer, rate(lambda: model(x), batch, seconds))
    print(f"train {best_train:.0f} infer {best_infer:.0f}")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
