/* SPDX-License-Identifier: MIT */
/* size_cache.c: what has been made to run a model on images of its own size, and of the other sizes that were used last. */
#include "plan/plan.h"
#include <string.h>

cn_status cn__size_cache_init(cn__size_cache *sizes, const cn_model *model,
                              void (*release)(cn_context *ctx, void *made)) {
    size_t inputs = (size_t)cn__model_input_count(model);
    *sizes = (cn__size_cache){.model = model, .release = release};
    sizes->shapes = cn__alloc(model->ctx, (CN__OTHER_SIZES + 1) * inputs, sizeof *sizes->shapes);
    return sizes->shapes ? CN_OK : cn__no_memory("sizes of images");
}

void cn__size_cache_drop(cn__size_cache *sizes) {
    for (int32_t i = 0; i < sizes->count; i++)
        sizes->release(sizes->model->ctx, sizes->others[i].made);
    if (sizes->own)
        sizes->release(sizes->model->ctx, sizes->own);
    cn__free(sizes->model->ctx, sizes->shapes);
}

cn__shape *cn__size_cache_asked(const cn__size_cache *sizes) {
    return sizes->shapes;
}

static bool same(const cn__size_cache *sizes, const cn__shape *a, const cn__shape *b) {
    bool equal = true;
    for (int32_t i = 0; i < cn__model_input_count(sizes->model); i++)
        equal &= cn__shape_equal(a[i], b[i]);
    return equal;
}

/* Makes number `index` the one used last. */
static void move_to_front(cn__size_cache *sizes, int32_t index) {
    cn__other_size found = sizes->others[index];
    memmove(sizes->others + 1, sizes->others, (size_t)index * sizeof *sizes->others);
    sizes->others[0] = found;
}

void *cn__size_cache_find(cn__size_cache *sizes) {
    const cn__shape *asked = cn__size_cache_asked(sizes);
    if (cn__model_own_size(sizes->model, asked))
        return sizes->own;
    for (int32_t i = 0; i < sizes->count; i++)
        if (same(sizes, sizes->others[i].inputs, asked)) {
            move_to_front(sizes, i);
            return sizes->others[0].made;
        }
    return NULL;
}

void cn__size_cache_keep(cn__size_cache *sizes, void *made) {
    size_t inputs = (size_t)cn__model_input_count(sizes->model);
    const cn__shape *asked = cn__size_cache_asked(sizes);
    if (cn__model_own_size(sizes->model, asked)) {
        sizes->own = made;
        return;
    }
    int32_t place = sizes->count < CN__OTHER_SIZES ? sizes->count++ : CN__OTHER_SIZES - 1;
    cn__other_size *other = &sizes->others[place];
    if (other->made)
        sizes->release(sizes->model->ctx, other->made); /* the one that was not used for longest */
    else
        other->inputs = sizes->shapes + (size_t)(place + 1) * inputs;
    memcpy(other->inputs, asked, inputs * sizeof *asked);
    other->made = made;
    move_to_front(sizes, place);
}
