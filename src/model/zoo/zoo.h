/* SPDX-License-Identifier: MIT */
/* zoo.h: what the networks of cn_model_zoo are built with. zoo.c lists them; builder.c has the pieces; each family has a
 * file of its own; zoo_init.c draws their first weights. */
#ifndef CN_ZOO_H
#define CN_ZOO_H

#include "model/model.h"

/* A model on its way. Layers are named prefix + name and read the node `at`, to which each then moves; the shapes that
 * come in say how many channels there are. After a failure nothing more happens, so builders ask only at the end. */
typedef struct cn__zoo {
    cn_context *ctx;
    cn_model *model;
    cn_status status;
    int32_t at;     /* -1: the input */
    cn_layer *made; /* by a constructor, on its way to cn__zoo_append */
    char prefix[64];
    double width_mult;
    int64_t classes;
    float dropout;
    cn_norm_options norm;
} cn__zoo;

void cn__zoo_prefix(cn__zoo *zoo, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* To a multiple of 8, not down by more than 10 % (torchvision's _make_divisible); of the paper's channels times
 * width_mult. */
int cn__zoo_divisible(double channels);
int cn__zoo_scaled(const cn__zoo *zoo, int channels);
int cn__zoo_channels(const cn__zoo *zoo); /* of `at` */

/* As in cn__zoo_append(zoo, "relu", cn_relu_new(zoo->ctx, &zoo->made)). The other form reads `at` and another node. */
void cn__zoo_append(cn__zoo *zoo, const char *name, cn_status status);
void cn__zoo_join(cn__zoo *zoo, const char *name, cn_status status, int32_t other);

void cn__zoo_conv(cn__zoo *zoo, const char *name, int out, int kernel, const cn_conv2d_options *options);
/* Without bias, padded by half of the kernel. */
void cn__zoo_plain_conv(cn__zoo *zoo, const char *name, int out, int kernel, int stride, int groups);
void cn__zoo_batch_norm(cn__zoo *zoo, const char *name);
void cn__zoo_relu(cn__zoo *zoo, const char *name);
void cn__zoo_max_pool(cn__zoo *zoo, const char *name, int kernel, int stride, int padding, int ceil_mode);
void cn__zoo_global_pool(cn__zoo *zoo, const char *name);
void cn__zoo_flatten(cn__zoo *zoo, const char *name);
void cn__zoo_linear(cn__zoo *zoo, const char *name, int64_t out);
void cn__zoo_dropout(cn__zoo *zoo, const char *name); /* nothing if it is 0 */

/* ---- what families draw anew (cn_model.own_init) ----
 *
 * Layers draw in the order of the model, which is the order in which torchvision constructs them, but for a ResNet's
 * "downsample", which it constructs ahead of the block; as all convolutions are drawn anew, that does not show. */

/* Convolutions: normal, variance 2 / (out_channels · kernel). */
void cn__zoo_init_resnet(const cn_model *model, cn__initializer *from);
/* The same; linear layers: normal, deviation 0.01; biases are 0. */
void cn__zoo_init_mobilenet(const cn_model *model, cn__initializer *from);
/* Convolutions: uniform, variance 2 / (in_channels · kernel); the last: normal, deviation 0.01; biases are 0. */
void cn__zoo_init_squeezenet(const cn_model *model, cn__initializer *from);

/* ---- the families: each adds all layers of a network; `variant` is the table's ---- */

void cn__zoo_resnet(cn__zoo *zoo, int depth);       /* 18, 34, 50 */
void cn__zoo_cifar_resnet(cn__zoo *zoo, int depth); /* 6 n + 2 */
void cn__zoo_mobilenet_v2(cn__zoo *zoo, int variant);
void cn__zoo_mobilenet_v3_small(cn__zoo *zoo, int variant);
void cn__zoo_squeezenet(cn__zoo *zoo, int variant);
void cn__zoo_unet(cn__zoo *zoo, int variant);

#endif
