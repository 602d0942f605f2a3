/* SPDX-License-Identifier: MIT */
/* import.c: an ONNX file as a model: what is in it, what can be known beforehand, layers node by node, and at last the
 * numbers of their parameters. */
#include "onnx/onnx.h"
#include "onnx/importer.h"
#include <stdio.h>

#define OPEN_SIDE    224      /* of an input whose file leaves it open */
#define MAX_OUR_TEXT 0xFFFFFF /* bytes of a model file's header, whose length 16 MiB bounds */

/* ---- recognising ---- */

bool cn__onnx_recognised(const unsigned char *begin, size_t bytes) {
    enum { IR_VERSION = 1 << 3, LAST_IR_VERSION = 31 };
    if (bytes < 2 || begin[0] != IR_VERSION || begin[1] < 1 || begin[1] > LAST_IR_VERSION)
        return false;
    if (bytes < 9 || begin[8] != '{')
        return true;
    uint64_t length = 0; /* of a model file of ours, if it is one */
    for (int i = 0; i < 8; i++)
        length |= (uint64_t)begin[i] << (8 * i);
    return length > MAX_OUR_TEXT;
}

/* ---- what is not covered ---- */

/* Notes a node, and why: what the last error says. */
static void refuse(cn__onnx *onnx, const cn__onnx_node *node, cn_status status) {
    size_t length = strlen(onnx->refusals);
    char line[256];
    onnx->refused++;
    if (onnx->refusal != CN_ERR_UNSUPPORTED)
        onnx->refusal = status == CN_ERR_UNSUPPORTED ? CN_ERR_UNSUPPORTED : CN_ERR_FORMAT;
    snprintf(line, sizeof line, "%s%.*s '%.*s': %.160s", length ? "; " : "", CN__SHOWN(node->op), CN__SHOWN(node->name),
             cn_last_error());
    if (length + strlen(line) + 1 > sizeof onnx->refusals || onnx->refused > onnx->refusals_shown + 1)
        return;
    onnx->refusals_shown++;
    memcpy(onnx->refusals + length, line, strlen(line) + 1);
}

static cn_status refusal(const cn__onnx *onnx) {
    char more[40] = "";
    if (onnx->refused > onnx->refusals_shown)
        snprintf(more, sizeof more, "; and %d more", onnx->refused - onnx->refusals_shown);
    return cn__error(onnx->refusal, "%d of its nodes cannot be layers: %s%s", onnx->refused, onnx->refusals, more);
}

/* ---- inputs ---- */

static void note_open_sides(const cn__onnx *onnx, const cn__onnx_info *info, bool height, bool width) {
    if (height || width)
        cn__log(onnx->ctx, CN_LOG_INFO, "the ONNX file leaves the %s of '%.*s' open: %d to begin with",
                !width    ? "height"
                : !height ? "width"
                          : "height and width",
                CN__SHOWN(info->name), OPEN_SIDE);
}

static cn_status read_sides(cn__onnx *onnx, const cn__onnx_info *info, int64_t sides[3]) {
    bool open[3] = {false};
    sides[0] = sides[1] = sides[2] = 1;
    if (!cn__onnx_type_is_float(info->type))
        return cn__error(CN_ERR_UNSUPPORTED, "its input '%.*s' is of type %lld, not of floats", CN__SHOWN(info->name),
                         (long long)info->type);
    if (info->dims < 1 || info->dims > 4)
        return cn__error(CN_ERR_UNSUPPORTED, "its input '%.*s' has %d dimensions, wanted 1 to 4", CN__SHOWN(info->name),
                         info->dims);
    for (int i = 1; i < info->dims; i++) {
        int which = i == 2 && info->dims == 3 ? 2 : i - 1;
        int64_t *side = &sides[which];
        *side = info->shape[i];
        open[which] = *side == 0;
        if (*side == 0 && i == 1)
            return cn__error(CN_ERR_UNSUPPORTED, "its input '%.*s' has an open number of channels",
                             CN__SHOWN(info->name));
        *side = *side == 0 ? OPEN_SIDE : *side;
        if (*side > CN__MAX_SIDE)
            return cn__error(CN_ERR_UNSUPPORTED, "its input '%.*s' has a side of %lld", CN__SHOWN(info->name),
                             (long long)*side);
    }
    note_open_sides(onnx, info, open[1], open[2]);
    return CN_OK;
}

static cn_status add_input(cn__onnx *onnx, int32_t index) {
    cn__onnx_info *info = &onnx->inputs[index];
    cn__onnx_value *value = &onnx->values[onnx->input_values[index]];
    char name[CN__ONNX_NAME];
    int64_t sides[3];
    int32_t layer = -1;
    bool turned = cn__onnx_turn_input(onnx, value, info);
    CN__TRY(read_sides(onnx, info, sides));
    int64_t images = info->shape[0];
    if (!onnx->model) {
        onnx->images = images;
        CN__TRY(cn_model_new(onnx->ctx, (int)sides[0], (int)sides[1], (int)sides[2], &onnx->model));
    } else {
        if (images != onnx->images)
            return cn__error(CN_ERR_UNSUPPORTED, "its inputs are %lld and %lld images", (long long)onnx->images,
                             (long long)images);
        cn__onnx_layer_name(onnx, &(cn__onnx_node){.name = info->name}, -1, -1, name);
        CN__TRY(cn_model_add_input(onnx->model, name, (int)sides[0], (int)sides[1], (int)sides[2]));
        layer = (int32_t)onnx->model->node_count - 1;
    }
    onnx->turned = onnx->turned || turned;
    value->view = turned ? cn__onnx_turned_view(onnx, layer) : cn__onnx_view_new(onnx, layer, info->dims);
    return CN_OK;
}

static cn_status add_inputs(cn__onnx *onnx) {
    for (int32_t i = 0; i < onnx->input_count; i++)
        if (onnx->values[onnx->input_values[i]].needed)
            CN__TRY(add_input(onnx, i));
    return onnx->model ? CN_OK : cn__error(CN_ERR_UNSUPPORTED, "its outputs depend on no input");
}

/* ---- nodes ---- */

static bool reads_refused(const cn__onnx *onnx, const cn__onnx_node *node) {
    for (int32_t i = 0; i < node->input_count; i++)
        if (node->inputs[i] >= 0 && onnx->values[node->inputs[i]].refused)
            return true;
    return false;
}

/* Such as the indices of a MaxPool, or the means of a LayerNormalization. */
static cn_status check_given(const cn__onnx *onnx, const cn__onnx_node *node) {
    for (int32_t k = 1; k < node->output_count; k++) {
        const cn__onnx_value *value = node->outputs[k] < 0 ? NULL : &onnx->values[node->outputs[k]];
        if (value && value->needed && value->view.layer == CN__ONNX_NO_LAYER)
            return cn__error(CN_ERR_UNSUPPORTED, "its output '%.*s' is none that layers give", CN__SHOWN(value->name));
    }
    return CN_OK;
}

/* Layers of a node whose inputs are known. */
static cn_status convert(cn__onnx *onnx, const cn__onnx_node *node) {
    cn__onnx_convert *function = node->foreign ? NULL : cn__onnx_operator(node->op);
    bool done;
    if (!reads_refused(onnx, node)) {
        CN__TRY(cn__onnx_fold(onnx, node, &done));
        if (done)
            return CN_OK;
        if (function && node->output_count > 0 && node->outputs[0] >= 0) {
            CN__TRY(function(onnx, node));
            return check_given(onnx, node);
        }
    }
    if (!function)
        return cn__error(CN_ERR_UNSUPPORTED,
                         node->foreign ? "it is of another domain than ONNX's" : "no such operator");
    return CN_OK;
}

static cn_status convert_nodes(cn__onnx *onnx) {
    for (int32_t i = 0; i < onnx->node_count; i++) {
        const cn__onnx_node *node = &onnx->nodes[i];
        if (!node->needed)
            continue;
        bool refused = reads_refused(onnx, node);
        cn_status status = convert(onnx, node);
        if (status == CN_ERR_MEMORY || status == CN_ERR_IO)
            return status;
        if (status != CN_OK)
            refuse(onnx, node, status);
        for (int32_t k = 0; k < node->output_count && (refused || status != CN_OK); k++)
            if (node->outputs[k] >= 0)
                onnx->values[node->outputs[k]].refused = true;
    }
    return onnx->refused ? refusal(onnx) : CN_OK;
}

/* What is known without any layer. */
static cn_status fold_constants(cn__onnx *onnx) {
    bool done;
    for (int32_t i = 0; i < onnx->node_count; i++)
        if (onnx->nodes[i].needed)
            CN__TRY(cn__onnx_fold(onnx, &onnx->nodes[i], &done));
    return CN_OK;
}

/* ---- outputs ---- */

/* An output is a layer of its own: an input, or a layer that is one already, goes through an Identity. Where inputs are
 * turned, an output that is turned back comes out as the layer has it. */
static cn_status add_output(cn__onnx *onnx, int32_t value, const int32_t *others, int32_t count, int32_t *layer) {
    const cn__onnx_node node = {.name = onnx->values[value].name};
    cn__onnx_view *view;
    cn_layer *identity;
    CN__TRY(cn__onnx_view_of(onnx, value, &view));
    if (!(onnx->turned && cn__onnx_is_turned(onnx, view)))
        CN__TRY(cn__onnx_ordered(onnx, &node, view));
    bool taken = view->layer < 0 || cn__node_is_input(&onnx->model->nodes[view->layer]);
    for (int32_t i = 0; i < count; i++)
        taken = taken || others[i] == view->layer;
    *layer = view->layer;
    return taken ? cn__onnx_chain(onnx, &node, cn_identity_new(onnx->ctx, &identity), &identity, layer) : CN_OK;
}

static cn_status add_outputs(cn__onnx *onnx) {
    int32_t *layers = cn__onnx_alloc(onnx, (size_t)onnx->output_count, sizeof *layers);
    const char **names = cn__onnx_alloc(onnx, (size_t)onnx->output_count, sizeof *names);
    if (!layers || !names)
        return cn__no_memory("a model's outputs");
    for (int32_t i = 0; i < onnx->output_count; i++) {
        cn_status status = add_output(onnx, onnx->outputs[i], layers, i, &layers[i]);
        if (status != CN_OK)
            return cn__error(status, "its output '%.*s': %s", CN__SHOWN(onnx->values[onnx->outputs[i]].name),
                             cn_last_error());
    }
    for (int32_t i = 0; i < onnx->output_count; i++)
        names[i] = onnx->model->nodes[layers[i]].name;
    return cn_model_set_outputs(onnx->model, onnx->output_count, names);
}

/* ---- all together ---- */

static cn_status make_model(cn__onnx *onnx, cn__bytes file) {
    CN__TRY(cn__onnx_read(onnx, file));
    cn__onnx_mark_needed(onnx);
    CN__TRY(fold_constants(onnx));
    CN__TRY(cn__onnx_find_patterns(onnx));
    cn__onnx_mark_needed(onnx);
    cn__onnx_find_channels_last(onnx);
    CN__TRY(add_inputs(onnx));
    CN__TRY(convert_nodes(onnx));
    CN__TRY(add_outputs(onnx));
    CN__TRY(cn__onnx_find_constants(onnx));
    CN__TRY(cn__model_init_zeros(onnx->model)); /* the file has all the rest */
    return cn__onnx_fill_all(onnx);
}

cn_status cn__onnx_load(cn_context *ctx, const void *data, size_t bytes, const char *path, cn_model **model) {
    const char *source = path ? path : "(memory)";
    cn__onnx_folder folder;
    *model = NULL;
    if (bytes > CN__ONNX_MAX_FILE)
        return cn__error(CN_ERR_UNSUPPORTED, "'%s': an ONNX file has at most 2 GiB, with more in files beside it",
                         source);
    cn__onnx *onnx = cn__alloc(ctx, 1, sizeof *onnx);
    if (!onnx)
        return cn__no_memory("an ONNX file");
    onnx->ctx = ctx;
    if (path) {
        cn__onnx_folder_of(path, &folder);
        onnx->folder = &folder;
    }
    cn_status status = make_model(onnx, (cn__bytes){data, bytes});
    if (onnx->starved) /* without it another network may have come out */
        status = cn__no_memory("an ONNX file");
    if (status == CN_OK)
        *model = onnx->model;
    else
        cn_model_free(onnx->model);
    cn__onnx_drop(onnx);
    cn__free(ctx, onnx);
    if (status == CN_OK || status == CN_ERR_MEMORY || status == CN_ERR_IO)
        return status;
    return cn__error(status == CN_ERR_UNSUPPORTED ? status : CN_ERR_FORMAT, "'%s': %s", source, cn_last_error());
}
