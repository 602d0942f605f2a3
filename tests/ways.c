/* layouts.c: what layout a context asks for, and whether a model has it. */
#include "layouts.h"
#include "testing.h"
#include "plan/plan.h"

const cn_layout layouts[2] = {CN_LAYOUT_IMAGES, CN_LAYOUT_CHANNELS};

const char *layout_name(const cn_context *context) {
    return context->options.layout == CN_LAYOUT_CHANNELS ? "channels in the lanes" : "images in the lanes";
}

void expect_layout(const cn_model *model, int images) {
    bool wanted = model->ctx->options.layout == CN_LAYOUT_CHANNELS;
    ck_assert_msg(cn__plan_trains_nchw16c(model, images) == wanted, "not with %s", layout_name(model->ctx));
}

void run_in_layout(cn_context *context, const network *net, net_pass *pass) {
    cn_model *model = net_make_model(context, net, pass->seed);
    expect_layout(model, net->batch);
    net_run_model(context, model, net, pass);
    cn_model_free(model);
}
