#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes loss.txt: what PyTorch's losses and their gradients are, and metrics.txt: metrics by their definitions.

A case of loss.txt: kind, reduction, label smoothing, beta, delta, ignored index, whether the target is values, images,
channels, height, width, class weights and positive weights (how many of each: 0 or as many as channels) / outputs /
targets / class weights / positive weights / loss / gradient.
"""
import os

import numpy as np
import torch
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
NLL, CROSS_ENTROPY, BCE, MSE, L1, SMOOTH_L1, HUBER = range(7)
REDUCTIONS = ("mean", "sum")


def f32(x):
    return float(np.float32(x))


def row(values):
    return " ".join(f"{float(v):.9g}" for v in values)


def smoothed_nll(output, target, smoothing, reduction, ignore):
    kept = target != ignore
    classes = output.shape[1]
    q = F.one_hot(target.clamp(min=0), classes).movedim(-1, 1) * (1 - smoothing) + smoothing / classes
    sums = -(q * output).sum(1) * kept
    return sums.sum() / kept.sum() if reduction == "mean" else sums.sum()


def compute(kind, o, output, target):
    reduction = REDUCTIONS[o["reduction"]]
    if kind == NLL and o["smoothing"]:
        return smoothed_nll(output, target, f32(o["smoothing"]), reduction, o["ignore"])
    if kind == NLL:
        return F.nll_loss(output, target, weight=o["weights"], ignore_index=o["ignore"], reduction=reduction)
    if kind == CROSS_ENTROPY:
        return F.cross_entropy(output, target, weight=o["weights"], ignore_index=o["ignore"], reduction=reduction,
                               label_smoothing=f32(o["smoothing"]))
    if kind == BCE:
        spread = (slice(None),) + (None,) * (output.dim() - 2)
        weights, positive = ((w if w is None else w[spread].expand(output.shape[1:])) for w in (o["weights"], o["positive"]))
        return F.binary_cross_entropy_with_logits(output, target, weight=weights, pos_weight=positive,
                                                  reduction=reduction)
    if kind == MSE:
        return F.mse_loss(output, target, reduction=reduction)
    if kind == L1:
        return F.l1_loss(output, target, reduction=reduction)
    if kind == SMOOTH_L1:
        return F.smooth_l1_loss(output, target, reduction=reduction, beta=f32(o["beta"]))
    return F.huber_loss(output, target, reduction=reduction, delta=f32(o["delta"]))


def case(out, kind, output, target, **options):
    o = {"reduction": 0, "smoothing": 0, "beta": 1, "delta": 1, "ignore": -100, "weights": None, "positive": None}
    o.update(options)
    shape = tuple(output.shape) + (1,) * (4 - output.dim())
    output = output.clone().requires_grad_()
    loss = compute(kind, o, output, target)
    loss.backward()
    weights, positive = ([] if w is None else list(w) for w in (o["weights"], o["positive"]))
    values = int(target.dtype == torch.float32)
    out.write(f"{kind} {o['reduction']} {f32(o['smoothing']):.9g} {f32(o['beta']):.9g} {f32(o['delta']):.9g} "
              f"{o['ignore']} {values} {shape[0]} {shape[1]} {shape[2]} {shape[3]} {len(weights)} {len(positive)}\n"
              f"{row(output.detach().flatten())}\n{row(target.flatten())}\n{row(weights)}\n{row(positive)}\n"
              f"{loss.item():.9g}\n{row(output.grad.flatten())}\n")


def class_cases(out):
    for smoothing in (0, 0.1):
        for images, classes in ((1, 2), (5, 10), (18, 3)):
            logits = (3 * torch.randn(images, classes)).float()
            labels = torch.arange(images) * 7 % classes
            case(out, NLL, F.log_softmax(logits, 1), labels, smoothing=smoothing)
            case(out, CROSS_ENTROPY, logits, labels, smoothing=smoothing)
        case(out, CROSS_ENTROPY, torch.tensor([[1000.0, -1000.0, 0.0], [-88.0, 88.0, 87.0]]), torch.tensor([0, 1]),
             smoothing=smoothing)
    weights = torch.tensor([0.5, 2.0, 0.0, 1.25])
    logits, labels = torch.randn(7, 4), torch.tensor([0, 1, 2, 3, 1, -100, 0])
    for reduction in (0, 1):
        case(out, NLL, F.log_softmax(logits, 1), labels, weights=weights, reduction=reduction)
        case(out, CROSS_ENTROPY, logits, labels, weights=weights, reduction=reduction)
        case(out, CROSS_ENTROPY, logits, labels, weights=weights, reduction=reduction, smoothing=0.2)
        case(out, CROSS_ENTROPY, logits, labels, reduction=reduction, smoothing=0.2)
        case(out, CROSS_ENTROPY, logits, F.softmax(torch.randn(7, 4), 1), weights=weights, reduction=reduction,
             smoothing=0.1)
    case(out, CROSS_ENTROPY, logits, torch.rand(7, 4))


def pixel_cases(out):
    weights = torch.tensor([0.5, 2.0, 1.25])
    for images, height, width in ((2, 3, 2), (17, 1, 3)):
        logits = torch.randn(images, 3, height, width)
        labels = torch.arange(images * height * width).reshape(images, height, width) * 5 % 3
        labels[0, 0, 1] = 255
        case(out, CROSS_ENTROPY, logits, labels, ignore=255)
        case(out, CROSS_ENTROPY, logits, labels, ignore=255, weights=weights, smoothing=0.1)
        case(out, NLL, F.log_softmax(logits, 1), labels, ignore=255, weights=weights)
        case(out, CROSS_ENTROPY, logits, F.softmax(torch.randn(images, 3, height, width), 1))


def value_cases(out):
    for shape in ((6, 3), (2, 3, 2, 3), (17, 3)):
        x, t = 2 * torch.randn(shape), 2 * torch.randn(shape)
        labels, soft = (torch.rand(shape) < 0.4).float(), torch.rand(shape)
        weights, positive = torch.tensor([0.5, 2.0, 0.0]), torch.tensor([3.0, 0.25, 1.0])
        for reduction in (0, 1):
            case(out, BCE, 4 * x, labels, reduction=reduction)
            case(out, BCE, x, soft, reduction=reduction, weights=weights, positive=positive)
            case(out, MSE, x, t, reduction=reduction)
            case(out, L1, x, t, reduction=reduction)
            case(out, SMOOTH_L1, x, t, reduction=reduction)
            case(out, SMOOTH_L1, x, t, reduction=reduction, beta=0.3)
            case(out, HUBER, x, t, reduction=reduction)
            case(out, HUBER, x, t, reduction=reduction, delta=2.5)
    case(out, BCE, torch.tensor([[1000.0, -1000.0, 90.0]]), torch.tensor([[1.0, 1.0, 0.0]]))
    case(out, L1, torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[1.0, 3.0, 1.0]]))


# ---- metrics: whether values, whether labels, images, channels, height, width, classes / outputs / targets / accuracy,
# top-5 accuracy, precision, recall, F1, mean IoU, MAE, RMSE, R² / F1 (R²) by class (channel) ----

def ratio(a, b):
    return a / b if b else float("nan")


def class_metrics(hits, false, missed):
    occurs = [k for k in range(len(hits)) if hits[k] + false[k] + missed[k] > 0]
    f1 = [ratio(2 * h, 2 * h + f + m) for h, f, m in zip(hits, false, missed)]

    def mean(values):
        return sum(0.0 if np.isnan(values[k]) else values[k] for k in occurs) / len(occurs)

    precision = [ratio(h, h + f) for h, f in zip(hits, false)]
    recall = [ratio(h, h + m) for h, m in zip(hits, missed)]
    iou = [ratio(h, h + f + m) for h, f, m in zip(hits, false, missed)]
    return mean(precision), mean(recall), mean(f1), mean(iou), f1


def metrics_case(out, output, target, classes, labels=False):
    output, target = output.double().numpy(), target.numpy()
    shape = output.shape + (1,) * (4 - output.ndim)
    channels, nan = shape[1], float("nan")
    top5 = mae = rmse = r2 = nan
    if target.dtype == np.int64:
        kept = target != -100
        ranked = np.argsort(-output, 1, kind="stable")
        found = ranked[:, 0][kept]
        truth = target[kept]
        accuracy = (found == truth).mean()
        if output.ndim == 2:
            top5 = np.mean([t in r[:5] for t, r in zip(target[kept], ranked[kept])])
        counts = [[int(((found == k) & (truth == k)).sum()), int(((found == k) & (truth != k)).sum()),
                   int(((found != k) & (truth == k)).sum())] for k in range(channels)]
        precision, recall, f1, iou, each = class_metrics(*zip(*counts))
    elif labels:
        found, truth = output > 0, target >= 0.5
        accuracy = (found == truth).mean()
        counts = [[int((found & truth)[:, k].sum()), int((found & ~truth)[:, k].sum()),
                   int((~found & truth)[:, k].sum())] for k in range(channels)]
        precision, recall, f1, _, each = class_metrics(*zip(*counts))
        iou = nan
    else:
        accuracy = precision = recall = f1 = iou = nan
        error = output - target
        mae, rmse = np.abs(error).mean(), np.sqrt((error ** 2).mean())
        each = []
        for k in range(channels):
            t, e = target[:, k].astype(np.float64), error[:, k]
            each.append(1 - (e ** 2).sum() / ((t - t.mean()) ** 2).sum())
        r2 = np.mean(each)
    out.write(f"{int(target.dtype != np.int64)} {int(labels)} {shape[0]} {shape[1]} {shape[2]} {shape[3]} {classes}\n"
              f"{row(output.flatten())}\n{row(target.flatten())}\n"
              f"{row([accuracy, top5, precision, recall, f1, iou, mae, rmse, r2])}\n{row(each)}\n")


def metrics(out):
    labels = torch.randint(0, 7, (40,))
    metrics_case(out, torch.randn(40, 9) + 2 * F.one_hot(labels, 9), labels, 9)
    metrics_case(out, torch.randn(5, 3), torch.tensor([0, 1, 0, 1, 1]), 3)
    mask = torch.randint(0, 3, (18, 3, 2))
    logits = torch.randn(18, 4, 3, 2) + F.one_hot(mask, 4).movedim(-1, 1)
    mask[0, 1, 1] = mask[17] = -100
    metrics_case(out, logits, mask, 3)
    metrics_case(out, torch.randn(20, 4), (torch.rand(20, 4) < 0.4).float(), 0, labels=True)
    for shape in ((33, 2), (4, 3, 2, 2)):
        target = 100 + torch.randn(shape)
        metrics_case(out, target + 0.3 * torch.randn(shape), target, 0)


def main():
    torch.manual_seed(1)
    with open(os.path.join(HERE, "loss.txt"), "w") as out:
        class_cases(out)
        pixel_cases(out)
        value_cases(out)
    with open(os.path.join(HERE, "metrics.txt"), "w") as out:
        metrics(out)


if __name__ == "__main__":
    main()
