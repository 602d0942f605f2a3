/* SPDX-License-Identifier: MIT */
/* view.c: a model as one of another context. */
#include "model/model.h"
#include <string.h>

void cn__model_view(const cn_model *model, cn_context *ctx, cn_model *view) {
    *view = (cn_model){0};
    memcpy(view, model, offsetof(cn_model, users));
    view->ctx = ctx;
    view->self_test = NULL;
    view->session = NULL;
}

void cn__model_drop_view(const cn_model *model, cn_model *view) {
    if (view->class_names != model->class_names)
        cn__model_drop_class_names(view);
    if (view->mean != model->mean) {
        cn__free(view->ctx, view->mean);
        cn__free(view->ctx, view->std);
    }
}
