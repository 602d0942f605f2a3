#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes optimizer.txt, groups.txt, schedule.txt and clip.txt: what PyTorch's optimizers, schedules and clipping compute.

Options are float32 in the library, so PyTorch is given the float32 nearest to each.
"""
import os
import warnings

import numpy as np
import torch
from torch.optim import lr_scheduler

HERE = os.path.dirname(os.path.abspath(__file__))
warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")


def f32(x):
    return float(np.float32(x))


def row(values):
    return " ".join(f"{float(v):.9g}" for v in values)


# ---- optimizers: options, l1 / parameters after each step ----

SIZE, STEPS = 32, 5


def optimizer_case(out, kind, lr, momentum=0.0, dampening=0.0, nesterov=0, decay=0.0, betas=(0.9, 0.999), eps=1e-8,
                   l1=0.0):
    parameter = torch.tensor([(i * 37 % 64 - 32) / 16 for i in range(SIZE)], requires_grad=True)
    if kind == 0:
        optimizer = torch.optim.SGD([parameter], lr=f32(lr), momentum=f32(momentum), dampening=f32(dampening),
                                    nesterov=bool(nesterov), weight_decay=f32(decay))
    else:
        make = torch.optim.Adam if kind == 1 else torch.optim.AdamW
        optimizer = make([parameter], lr=f32(lr), betas=tuple(f32(b) for b in betas), eps=f32(eps),
                         weight_decay=f32(decay))
    out.write(f"{kind} {lr} {momentum} {dampening} {nesterov} {decay} {betas[0]} {betas[1]} {eps} {l1}\n")
    for step in range(STEPS):
        if step == 3:
            optimizer.param_groups[0]["lr"] = f32(lr) / 2
        gradient = torch.tensor([((i + 5 * step) * 29 % 32 - 16) / 8 for i in range(SIZE)])
        parameter.grad = gradient + f32(l1) * torch.sign(parameter.detach())
        optimizer.step()
        out.write(row(parameter.detach()) + "\n")


def optimizers(out):
    optimizer_case(out, 0, 0.1)
    optimizer_case(out, 0, 0.1, momentum=0.9)
    optimizer_case(out, 0, 0.1, momentum=0.9, dampening=0.3, decay=0.05)
    optimizer_case(out, 0, 0.1, momentum=0.9, nesterov=1, decay=0.05)
    optimizer_case(out, 0, 0.1, momentum=0.5, decay=0.01, l1=0.25)
    optimizer_case(out, 1, 0.01)
    optimizer_case(out, 1, 0.05, decay=0.1, betas=(0.8, 0.95), eps=1e-3, l1=0.25)
    optimizer_case(out, 2, 0.01, decay=0.3)
    optimizer_case(out, 2, 0.05, betas=(0.5, 0.9), decay=0.1, l1=0.25)
    optimizer_case(out, 1, 0.05, betas=(0, 0.9))
    optimizer_case(out, 1, 0.05, decay=0.1, eps=0)


# ---- parameter groups: kind, rate, momentum, decay, then scale and decay of the weight's and the bias's group / the 32
# weights and 4 biases after each step; from step 3 on all rates are half ----

def group_case(out, kind, lr, momentum, decay, *groups):
    values = torch.tensor([(i * 37 % 64 - 32) / 16 for i in range(SIZE + 4)])
    parameters = [values[:SIZE].clone().requires_grad_(), values[SIZE:].clone().requires_grad_()]
    settings = [{"params": [p], "lr": f32(lr) * f32(scale), "weight_decay": f32(decay if own < 0 else own)}
                for p, (scale, own) in zip(parameters, groups)]
    if kind == 0:
        optimizer = torch.optim.SGD(settings, lr=f32(lr), momentum=f32(momentum))
    else:
        optimizer = (torch.optim.Adam if kind == 1 else torch.optim.AdamW)(settings, betas=(f32(0.9), f32(0.999)))
    out.write(f"{kind} {lr} {momentum} {decay} " + " ".join(f"{scale} {own}" for scale, own in groups) + "\n")
    for step in range(STEPS):
        if step == 3:
            for group in optimizer.param_groups:
                group["lr"] /= 2
        gradient = torch.tensor([((i + 5 * step) * 29 % 32 - 16) / 8 for i in range(SIZE + 4)])
        parameters[0].grad, parameters[1].grad = gradient[:SIZE], gradient[SIZE:]
        optimizer.step()
        out.write(row(p for group in parameters for p in group.detach()) + "\n")


def groups(out):
    for kind, lr in ((0, 0.05), (1, 0.02), (2, 0.02)):
        group_case(out, kind, lr, 0.9, 0.1, (1, -1), (10, 0))
        group_case(out, kind, lr, 0.9, 0, (0.25, 0.2), (1, -1))
        group_case(out, kind, lr, 0.9, 0.3, (0, -1), (3, 0.05))


# ---- schedules: kind, base rate, epochs to run, batches an epoch, options by name / losses / rates (of batches or
# epochs) ----

def schedule_case(out, kind, base, run, batches, losses, make, **options):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=f32(base), momentum=f32(0.9))
    schedule = make(optimizer)
    rates = []
    for epoch in range(run):
        for _ in range(batches if kind == 4 else 1):
            rates.append(optimizer.param_groups[0]["lr"])
            if kind == 4 and len(rates) < run * batches:
                schedule.step()
        if kind in (2, 3, 5, 6):
            schedule.step()
        elif kind == 1:
            schedule.step(losses[epoch])
    write_schedule(out, kind, base, run, batches, losses, rates, options)


def write_schedule(out, kind, base, run, batches, losses, rates, options):
    out.write(f"{kind} {base} {run} {batches} " + " ".join(f"{name} {value}" for name, value in options.items()) + " end\n")
    out.write(" ".join(repr(l) for l in losses) + "\n" + " ".join(repr(r) for r in rates) + "\n")


def warmup_case(out, kind, base, run, batches, steps, start, make, **options):
    """All steps batch by batch: `make` gets a schedule whose own epochs are given in batches."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=f32(base))
    own = make(optimizer)
    schedule = lr_scheduler.SequentialLR(
        optimizer, [lr_scheduler.LinearLR(optimizer, f32(start), total_iters=steps), own], [steps])
    rates = []
    for step in range(run * batches):
        rates.append(optimizer.param_groups[0]["lr"])
        schedule.step()
    write_schedule(out, kind, base, run, batches, [0.0] * run, rates, options | {"warmup_start": start})


def schedules(out):
    falling = [2.0, 1.5, 1.6, 1.4, 1.4, 1.39999, 1.39, 1.5, 1.6, 1.3, 1.35, 1.2, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1]
    none = [0.0] * len(falling)
    for base, factor, patience, threshold, least in (
            (0.01, 0.3, 0, 1e-4, 0), (0.1, 0.1, 2, 1e-2, 0), (0.01, 0.5, 1, 1e-4, 0.002), (1e-7, 0.5, 0, 1e-4, 0)):
        schedule_case(out, 1, base, len(falling), 3, falling,
                      lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=f32(factor), patience=patience,
                                                               threshold=f32(threshold), min_lr=f32(least)),
                      factor=factor, patience=patience, threshold=threshold, min_learning_rate=least)
    for factor, size in ((0.1, 4), (0.3, 1), (1.5, 7)):
        schedule_case(out, 2, 0.01, len(none), 3, none, lambda o: lr_scheduler.StepLR(o, size, f32(factor)),
                      factor=factor, step_size=size)
    for epochs, least in ((len(none), 0), (20, 0.01), (6, 0.001)):
        schedule_case(out, 3, 0.1, len(none), 3, none,
                      lambda o: lr_scheduler.CosineAnnealingLR(o, epochs, f32(least)), epochs=epochs, min_learning_rate=least)
    for run, batches, peak, start, div, final, linear in (
            (6, 7, 0.1, 0.3, 25, 1e4, 0), (5, 8, 0.5, 0.25, 10, 100, 1), (1, 9, 0.1, 0.5, 4, 10, 0),
            (3, 1, 0.2, 0.9, 25, 1e4, 1), (1, 1, 0.1, 0.3, 25, 1e4, 0)):
        schedule_case(out, 4, 0.01, run, batches, [0.0] * run,
                      lambda o: lr_scheduler.OneCycleLR(o, f32(peak), epochs=run, steps_per_epoch=batches,
                                                        pct_start=f32(start), div_factor=f32(div),
                                                        final_div_factor=f32(final), cycle_momentum=False,
                                                        anneal_strategy="linear" if linear else "cos"),
                      epochs=run, max_learning_rate=peak, pct_start=start, div_factor=div, final_div_factor=final, linear=linear)
    for epochs, power in ((len(none), 1), (12, 2), (7, 0.5)):
        schedule_case(out, 5, 0.1, len(none), 3, none, lambda o: lr_scheduler.PolynomialLR(o, epochs, f32(power)),
                      epochs=epochs, power=power)
    for factor in (0.9, 0.5):
        schedule_case(out, 6, 0.1, len(none), 3, none, lambda o: lr_scheduler.ExponentialLR(o, f32(factor)), factor=factor)
    warmup_case(out, 0, 0.1, 5, 4, 10, 0.25, lambda o: lr_scheduler.ConstantLR(o, 1.0), warmup_steps=10)
    warmup_case(out, 2, 0.1, 12, 3, 6, 0.5, lambda o: lr_scheduler.StepLR(o, 4 * 3, f32(0.1)), warmup_epochs=2,
                factor=0.1, step_size=4)
    warmup_case(out, 3, 0.1, 16, 1, 4, 0.001, lambda o: lr_scheduler.CosineAnnealingLR(o, 12, f32(0.01)), warmup_epochs=4,
                epochs=16, min_learning_rate=0.01)
    warmup_case(out, 4, 0.1, 6, 5, 7, 1 / 3,
                lambda o: lr_scheduler.OneCycleLR(o, f32(0.5), total_steps=23, pct_start=f32(0.3), div_factor=f32(10),
                                                   cycle_momentum=False),
                warmup_steps=7, epochs=6, max_learning_rate=0.5, div_factor=10)
    warmup_case(out, 5, 0.1, 10, 1, 3, 0.1, lambda o: lr_scheduler.PolynomialLR(o, 7, f32(2)), warmup_steps=3, epochs=10,
                power=2)
    warmup_case(out, 6, 0.1, 10, 1, 3, 0.1, lambda o: lr_scheduler.ExponentialLR(o, f32(0.7)), warmup_epochs=3, factor=0.7)


# ---- clipping: 0: by norm, 1: by value; how much / gradients of [4, 8] and [4] / norm / gradients after it ----

def clips(out):
    weight, bias = torch.zeros(4, 8, requires_grad=True), torch.zeros(4, requires_grad=True)
    for scale in (1.0, 1e-4, 3e15):
        for kind, most in ((0, 1), (0, 2.5), (0, 1000), (0, 0), (1, 0.75), (1, 100), (1, 0)):
            weight.grad = scale * torch.tensor([(i * 29 % 32 - 16) / 8 for i in range(32)]).reshape(4, 8)
            bias.grad = scale * torch.tensor([-3.0, 0.0, 0.5, 1.75])
            out.write(f"{kind} {most}\n{row(torch.cat([weight.grad.flatten(), bias.grad]))}\n")
            norm = torch.nn.utils.clip_grad_norm_([weight, bias], most if kind == 0 else float("inf"))
            if kind == 1:
                torch.nn.utils.clip_grad_value_([weight, bias], most)
            out.write(f"{norm.item():.9g}\n{row(torch.cat([weight.grad.flatten(), bias.grad]))}\n")


if __name__ == "__main__":
    for name, write in (("optimizer", optimizers), ("groups", groups), ("schedule", schedules), ("clip", clips)):
        with open(os.path.join(HERE, name + ".txt"), "w") as out:
            write(out)
