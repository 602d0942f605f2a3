/* SPDX-License-Identifier: MIT */
/* convolution_readers.c: which outputs of a convolution read an input, along one dimension. */
#include "layers/conv/convolution_readers.h"

static int32_t reads(const cn__convolution *c, int d, int32_t out, int32_t tap, int32_t size) {
    return cn__border_source(out * c->stride[d] - c->padding[d] + tap * c->dilation[d], size,
                             (cn_padding_mode)c->padding_mode);
}

static void find_readers(const cn__convolution *c, int d, int32_t outputs, cn__conv_readers *a) {
    int32_t *next = a->class_of; /* not in use yet */
    for (int32_t t = 0; t < c->kernel[d]; t++)
        for (int32_t o = 0; o < outputs; o++) {
            int32_t i = reads(c, d, o, t, a->size);
            if (i >= 0)
                a->first[i + 1]++;
        }
    for (int32_t i = 0; i < a->size; i++) {
        a->first[i + 1] += a->first[i];
        next[i] = a->first[i];
    }
    for (int32_t t = 0; t < c->kernel[d]; t++)
        for (int32_t o = 0; o < outputs; o++) {
            int32_t i = reads(c, d, o, t, a->size);
            if (i >= 0)
                a->readers[next[i]++] = (cn__conv_reader){o, t};
        }
}

static int32_t reader_count(const cn__conv_readers *a, int32_t i) {
    return a->first[i + 1] - a->first[i];
}

static bool same_class(const cn__conv_readers *a, int32_t i, int32_t j) {
    if (reader_count(a, i) != reader_count(a, j))
        return false;
    for (int32_t k = 0; k < reader_count(a, i); k++) {
        cn__conv_reader x = a->readers[a->first[i] + k], y = a->readers[a->first[j] + k];
        if (x.tap != y.tap || x.out - i / a->stride != y.out - j / a->stride)
            return false;
    }
    return true;
}

/* Only neighbours of one stride phase are compared: elsewhere equals are rare, and one class more costs nothing. */
static void find_classes(cn__conv_readers *a) {
    for (int32_t i = 0; i < a->size; i++) {
        if (i >= a->stride && same_class(a, i, i - a->stride)) {
            a->class_of[i] = a->class_of[i - a->stride];
        } else {
            a->class_of[i] = a->classes;
            a->example[a->classes++] = i;
        }
    }
}

cn_status cn__conv_readers_make(const cn__op *op, int d, cn__conv_readers *a) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    int32_t outputs = d ? op->out->shape.width : op->out->shape.height;
    if ((int64_t)outputs * c->kernel[d] > INT32_MAX)
        return cn__error(CN_ERR_SHAPE, "%s: a kernel of %d places is too large for %d outputs", c->base.type->name,
                         c->kernel[d], outputs);
    a->size = d ? op->in[0]->shape.width : op->in[0]->shape.height;
    a->stride = c->stride[d];
    a->first = cn__alloc(op->ctx, (size_t)a->size + 1, sizeof *a->first);
    a->readers = cn__alloc(op->ctx, (size_t)outputs * (size_t)c->kernel[d], sizeof *a->readers);
    a->class_of = cn__alloc(op->ctx, (size_t)a->size, sizeof *a->class_of);
    a->example = cn__alloc(op->ctx, (size_t)a->size, sizeof *a->example);
    if (!a->first || !a->readers || !a->class_of || !a->example)
        return cn__no_memory("a convolution's index lists");
    find_readers(c, d, outputs, a);
    find_classes(a);
    return CN_OK;
}

void cn__conv_readers_drop(cn_context *ctx, cn__conv_readers *a) {
    cn__free(ctx, a->first);
    cn__free(ctx, a->readers);
    cn__free(ctx, a->class_of);
    cn__free(ctx, a->example);
}

size_t cn__conv_readers_count(const cn__conv_readers *a) {
    size_t count = 0;
    for (int32_t k = 0; k < a->classes; k++)
        count += (size_t)reader_count(a, a->example[k]);
    return count;
}

bool cn__conv_reads_itself(const cn__convolution *c, int d, cn__conv_reader r, int32_t i) {
    return r.out * c->stride[d] - c->padding[d] + r.tap * c->dilation[d] == i;
}
