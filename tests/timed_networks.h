/* SPDX-License-Identifier: MIT */
/* timed_networks.h: the networks that bench_training.c times. bench_torch.py has the same in PyTorch. */
#ifndef TIMED_NETWORKS_H
#define TIMED_NETWORKS_H

#include <convnet.h>

/* Initialised; an unknown name leaves NULL in `model`.
 *
 *   none, batch, layer, group, instance   session 8 by its norm
 *   zero                                  session 8, batch norm, with padding by zeros and without dropout
 *   mnist2                                MNIST model 2
 *   resnet20, resnet18, mobilenet_v2      as the zoo has them; mobilenet_v2 for images of 3×96×96
 *   resnet18_cifar                        ResNet-18 for 3×32×32 and ten classes: begins with a 3×3 convolution of
 *                                         stride 1 and has no max pool
 *   mobilenet_v1                          Howard et al. 2017, 3×96×96, 1000 classes
 *   plain256                              64, 128, 256 channels: two 3×3 convolutions a stage, each with batch norm
 *                                         and ReLU; max pools between stages; 3×32×32, ten classes
 *   linear                                one linear layer, 3072 to 1000 */
cn_status timed_network_new(cn_context *context, const char *name, cn_model **model);

#endif
