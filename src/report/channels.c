/* SPDX-License-Identifier: MIT */
/* channels.c: what is in a layer, as pictures: the filters of a first convolution, the activations for an image. */
#include "report/report.h"
#include "image/image.h"
#include <math.h>

enum { MOST = 1024 /* pictures */ };

static cn_status check(const char *function, const cn_tensor *tensor, bool good, const char *want) {
    char text[CN__SHAPE_TEXT];
    if (good && tensor->dtype == CN_DTYPE_FLOAT32 && tensor->dims == 4 && tensor->count > 0)
        return CN_OK;
    return cn__error(CN_ERR_SHAPE, "%s: %s%s, want float32 %s", function,
                     tensor->dtype == CN_DTYPE_FLOAT32 ? "" : "not float32: ",
                     cn__shape_text(text, tensor->dims, tensor->shape), want);
}

static cn_status check_finite(const char *function, const cn_tensor *tensor) {
    const float *values = tensor->data;
    for (int64_t i = 0; i < tensor->count; i++)
        if (!isfinite(values[i]))
            return cn__error(CN_ERR_DATA, "%s: value %lld is %g", function, (long long)i, (double)values[i]);
    return CN_OK;
}

/* ---- filters ---- */

static cn_status draw_filter(cn__gallery *gallery, const cn_tensor *weight, int64_t filter) {
    int64_t count = weight->count / weight->shape[0];
    const float *values = (const float *)weight->data + filter * count;
    uint8_t *bytes = (uint8_t *)gallery->images->data + filter * count;
    double most = 0.0;
    for (int64_t i = 0; i < count; i++)
        if (fabs((double)values[i]) > most) /* fmax here, and below, makes GCC 12 die on arm64 at -O3 */
            most = fabs((double)values[i]);
    for (int64_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)lround(127.5 + (most > 0.0 ? 127.5 * (double)values[i] / most : 0.0));
    cn__text title = {.ctx = gallery->ctx};
    cn__text_append(&title, "%lld: ±", (long long)filter);
    cn__append_short(&title, most, 2);
    return cn__gallery_title(gallery, filter, &title);
}

cn_status cn_sheet_filters(const cn_tensor *weight, const char *heading, char **svg) {
    CN__COMPUTES;
    cn__gallery gallery;
    CN__REQUIRE(svg);
    *svg = NULL;
    CN__REQUIRE(weight);
    const int64_t *shape = weight->shape;
    CN__TRY(check("cn_sheet_filters", weight, (shape[1] == 1 || shape[1] == 3) && shape[0] <= MOST,
                  "[at most 1024, 1 or 3, H, W]"));
    CN__TRY(check_finite("cn_sheet_filters", weight));
    cn_status status = cn__gallery_new(weight->ctx, shape[0], shape[1], shape[2], shape[3], &gallery);
    for (int64_t i = 0; i < shape[0] && status == CN_OK; i++)
        status = draw_filter(&gallery, weight, i);
    return cn__gallery_draw(status, &gallery, CN__CHANNEL, heading ? heading : "Filters", svg);
}

/* ---- activations ---- */

static cn_status draw_channel(cn__gallery *gallery, const cn_tensor *activations, int64_t channel) {
    int64_t pixels = activations->shape[2] * activations->shape[3];
    const float *values = (const float *)activations->data + channel * pixels;
    uint8_t *bytes = (uint8_t *)gallery->images->data + 3 * channel * pixels;
    double low = values[0], high = values[0];
    for (int64_t i = 1; i < pixels; i++) {
        if (values[i] < low)
            low = values[i];
        if (values[i] > high)
            high = values[i];
    }
    for (int64_t i = 0; i < pixels; i++) {
        float rgb[3];
        cn__colour_map(high > low ? (float)((values[i] - low) / (high - low)) : 0.0f, rgb);
        for (int64_t c = 0; c < 3; c++)
            bytes[c * pixels + i] = (uint8_t)lrintf(rgb[c]);
    }
    cn__text title = {.ctx = gallery->ctx};
    cn__text_append(&title, "%lld: ", (long long)channel);
    cn__append_short(&title, low, 2);
    cn__text_append(&title, " … ");
    cn__append_short(&title, high, 2);
    return cn__gallery_title(gallery, channel, &title);
}

cn_status cn_sheet_activations(const cn_tensor *activations, const char *heading, char **svg) {
    CN__COMPUTES;
    cn__gallery gallery;
    CN__REQUIRE(svg);
    *svg = NULL;
    CN__REQUIRE(activations);
    const int64_t *shape = activations->shape;
    CN__TRY(check("cn_sheet_activations", activations, shape[0] == 1 && shape[1] <= MOST, "[1, at most 1024, H, W]"));
    CN__TRY(check_finite("cn_sheet_activations", activations));
    cn_status status = cn__gallery_new(activations->ctx, shape[1], 3, shape[2], shape[3], &gallery);
    for (int64_t i = 0; i < shape[1] && status == CN_OK; i++)
        status = draw_channel(&gallery, activations, i);
    return cn__gallery_draw(status, &gallery, CN__CHANNEL, heading ? heading : "Activations", svg);
}
