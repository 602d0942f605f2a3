/* wide_networks.h: networks wider than the study's, built with the public interface, for benchmarks. Both take images
 * of 3×32×32, end in log-softmax over ten classes and come initialised; bench_torch.py has the same in PyTorch. */
#ifndef WIDE_NETWORKS_H
#define WIDE_NETWORKS_H

#include <convnet.h>

/* ResNet-20 for CIFAR (He et al. 2016): 16, 32, 64 channels, three blocks a stage; where size and channels change, the
 * skip is a strided 1×1 convolution with batch norm. */
cn_status resnet20_new(cn_context *context, cn_model **model);

/* 64, 128, 256 channels: two 3×3 convolutions a stage, each with batch norm and ReLU; max pools between stages. */
cn_status plain256_new(cn_context *context, cn_model **model);

#endif
