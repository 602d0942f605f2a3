/* SPDX-License-Identifier: MIT */
/* pretrained.c: models that come with the library. */
#include "io/io.h"

cn_status cn_model_session8_pretrained(cn_context *context, cn_model **model) {
    CN__REQUIRE(model);
    *model = NULL;
    CN__REQUIRE(context);
    return cn_model_load_memory(context, cn__session8_cifar10, cn__session8_cifar10_bytes, model);
}
