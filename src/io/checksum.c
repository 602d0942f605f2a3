/* SPDX-License-Identifier: MIT */
/* checksum.c: whether a model file holds what was saved. The sum is over the architecture's text and each tensor's
 * bytes, found by name, in the order of the model. So it covers names, types and shapes as well, and a program that
 * writes the same tensors in another order does not change it. */
#include "io/io.h"
#include <stdio.h>
#include <string.h>

static const cn_dtype order[] = {CN_DTYPE_INT64, CN_DTYPE_FLOAT32};

void cn__crc_text(char text[CN__CRC_TEXT], uint32_t crc) {
    snprintf(text, CN__CRC_TEXT, "%08lx", (unsigned long)crc);
}

/* ---- of a model ---- */

static uint32_t add_tensor(uint32_t crc, const cn_tensor *tensor, const char *dtype) {
    unsigned char bytes[4096];
    size_t width = cn__value_bytes(dtype);
    int64_t most = (int64_t)(sizeof bytes / width);
    for (int64_t i = 0; i < tensor->count; i += most) {
        int64_t count = tensor->count - i < most ? tensor->count - i : most;
        cn__values_store(tensor, dtype, i, count, bytes);
        crc = cn__crc_add(crc, bytes, (size_t)count * width);
    }
    return crc;
}

void cn__checksum(const cn_model *model, const char *architecture, const cn__entry *entries, char text[CN__CRC_TEXT]) {
    uint32_t crc = cn__crc_add(0, architecture, strlen(architecture));
    for (size_t o = 0; o < CN__COUNT(order); o++)
        for (size_t i = 0; i < model->tensor_count; i++)
            if (model->tensors[i].value.dtype == order[o])
                crc = add_tensor(crc, &model->tensors[i].value, entries[i].dtype);
    cn__crc_text(text, crc);
}

/* ---- of a file ---- */

typedef struct summing {
    const cn__state_dict *dict;
    cn_dtype dtype; /* whose turn it is */
    uint32_t crc;
} summing;

static cn_status add_entry(void *user, const char *name, const cn__tensor_spec *spec) {
    summing *s = user;
    const cn__entry *entry = spec->dtype == s->dtype ? cn__state_dict_find(s->dict, name, spec) : NULL;
    if (entry)
        s->crc = cn__crc_add(s->crc, s->dict->file->data + entry->begin, (size_t)(entry->end - entry->begin));
    return CN_OK;
}

static void sum_by_name(const cn__state_dict *dict, const cn_model *model, uint32_t crc, char text[CN__CRC_TEXT]) {
    summing s = {.dict = dict, .crc = crc};
    for (size_t o = 0; o < CN__COUNT(order); o++) {
        s.dtype = order[o];
        cn__each_tensor(model, add_entry, &s);
    }
    cn__crc_text(text, s.crc);
}

/* A bit that flips in the key must not switch the check off: the header is then still as this library writes it. */
static cn_status say_absent(const cn__state_dict *dict, bool own, cn_context *ctx) {
    if (own)
        return cn__error(CN_ERR_FORMAT, "it is damaged: its checksum is missing");
    cn__log(ctx, CN_LOG_INFO, "'%s': has no checksum: if it is damaged, nobody will notice", dict->source);
    return CN_OK;
}

/* As it lies there, the data are what was saved: then it is their names, types or places that are not. */
static cn_status say_different(const cn__state_dict *dict, bool own, bool same_data, cn_context *ctx) {
    if (same_data)
        return cn__error(CN_ERR_FORMAT, "it is damaged: its tensors are as they were saved, but under other names or "
                                        "in other places (by the checksum)");
    if (own)
        return cn__error(CN_ERR_FORMAT, "its content is damaged: the checksum stored in it does not fit");
    cn__log(ctx, CN_LOG_WARNING,
            "'%s': another program has written it again, and its checksum does not fit: what it "
            "holds was changed there, or is damaged",
            dict->source);
    return CN_OK;
}

cn_status cn__checksum_check(const cn__state_dict *dict, const cn_model *model) {
    const char *stored = cn__safetensors_metadata(dict->file, CN__KEY_CRC);
    const char *architecture = cn__safetensors_metadata(dict->file, CN__KEY_MODEL);
    char by_name[CN__CRC_TEXT], as_it_lies[CN__CRC_TEXT];
    bool own;
    uint32_t crc = cn__crc_add(0, architecture, strlen(architecture));
    sum_by_name(dict, model, crc, by_name);
    if (stored && strcmp(stored, by_name) == 0)
        return CN_OK;
    CN__TRY(cn__safetensors_is_own(dict->file, &own));
    if (!stored)
        return say_absent(dict, own, model->ctx);
    cn__crc_text(as_it_lies, cn__crc_add(crc, dict->file->data, dict->file->bytes));
    return say_different(dict, own, strcmp(stored, as_it_lies) == 0, model->ctx);
}
