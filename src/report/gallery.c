/* SPDX-License-Identifier: MIT */
/* gallery.c: pictures of a data set's images with titles, and pictures as text. */
#include "report/report.h"
#include "image/image.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_SIDE = 160 };

cn_status cn__gallery_new(cn_context *ctx, int64_t count, int64_t channels, int64_t height, int64_t width,
                          cn__gallery *gallery) {
    *gallery = (cn__gallery){.ctx = ctx, .count = count};
    const int64_t shape[] = {count, channels == 3 ? 3 : 1, height, width};
    CN__TRY(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, shape, &gallery->images));
    gallery->titles = cn__alloc(ctx, (size_t)count, sizeof *gallery->titles);
    return gallery->titles ? CN_OK : cn__no_memory("titles");
}

void cn__gallery_drop(cn__gallery *gallery) {
    for (int64_t i = 0; gallery->titles && i < gallery->count; i++)
        cn_text_free(gallery->titles[i]);
    cn__free(gallery->ctx, gallery->titles);
    cn_tensor_free(gallery->images);
}

cn_status cn__gallery_title(cn__gallery *gallery, int64_t i, cn__text *title) {
    return cn__text_take(title, &gallery->titles[i]);
}

void cn__append_in_line(cn__text *title, const char *name, int most) {
    bool whole = cn__name_width(name, CN__WHOLE) <= most;
    for (const char *next = name; *next;) {
        const char *begin = next;
        most -= cn__utf8_width(cn__utf8_next(&next));
        if (most < (whole ? 0 : 1))
            break;
        cn__text_append(title, "%.*s", (int)(next - begin), *begin == '\n' ? " " : begin);
    }
    if (!whole)
        cn__text_append(title, "…");
}

void cn__append_title_class(cn__text *title, const cn_dataset *dataset, int64_t label) {
    char number[CN__LABEL_TEXT], unused[CN__LABEL_TEXT];
    const char *name = cn__class_name(dataset, label, unused);
    snprintf(number, sizeof number, "%lld", (long long)label);
    cn__text_append(title, "%s", number);
    if (strcmp(name, number) != 0) {
        cn__text_append(title, ":");
        cn__append_in_line(title, name, CN__TITLE_NAME);
    }
}

void cn__append_title_image(cn__text *title, const cn_dataset *dataset, int64_t index) {
    const char *file = cn_dataset_file_name(dataset, index);
    if (file)
        cn__append_in_line(title, file, CN__WHOLE);
    else
        cn__text_append(title, "image %lld", (long long)index);
}

/* ---- images of a data set ---- */

static uint8_t to_byte(double share) {
    return (uint8_t)(share <= 0.0 ? 0 : share >= 1.0 ? 255 : lround(255.0 * share));
}

/* What is to be black and white: 0 and 1, or for float32 images beyond that their own extremes. */
static void find_range(const cn_dataset *dataset, const float *values, int64_t count, double *low, double *high) {
    *low = 0.0;
    *high = 1.0;
    for (int64_t i = 0; i < count && !cn__dataset_is_8bit(dataset); i++) {
        *low = fmin(*low, values[i]);
        *high = fmax(*high, values[i]);
    }
}

static void denormalize(const cn_dataset *dataset, float *values, int64_t channels, int64_t pixels) {
    cn__normalization by = cn__dataset_normalization(dataset);
    for (int64_t c = 0; c < channels; c++)
        for (int64_t i = 0; i < pixels; i++)
            values[c * pixels + i] = values[c * pixels + i] * by.std[c] + by.mean[c];
}

static bool has_class(const cn_dataset *dataset) {
    return cn__dataset_target_count(dataset) > 0 && cn__dataset_target(dataset, 0)->kind == CN_TARGET_CLASS;
}

cn_status cn__gallery_image(cn__gallery *gallery, int64_t i, const cn_dataset *dataset, int64_t index,
                            const cn__fetch *fetch, int64_t *label) {
    int64_t shape[3];
    cn_tensor *image, *labels = NULL;
    *label = -1;
    cn_dataset_shape(dataset, shape);
    int64_t pixels = shape[1] * shape[2], shown = cn_tensor_shape(gallery->images, 1) * pixels;
    CN__TRY(
        cn_tensor_new(gallery->ctx, CN_DTYPE_FLOAT32, 4, (const int64_t[]){1, shape[0], shape[1], shape[2]}, &image));
    cn_status status = CN_OK;
    if (has_class(dataset))
        status = cn_tensor_borrow(gallery->ctx, CN_DTYPE_INT64, 1, (const int64_t[]){1}, label, &labels);
    if (status == CN_OK)
        status = cn_dataset_batch(dataset, 1, &index, fetch->augment, fetch->seed, fetch->epoch, image, labels);
    if (status == CN_OK) {
        double low, high;
        float *values = cn_tensor_data(image);
        uint8_t *bytes = (uint8_t *)cn_tensor_data(gallery->images) + i * shown;
        denormalize(dataset, values, shape[0], pixels);
        find_range(dataset, values, shape[0] * pixels, &low, &high);
        for (int64_t k = 0; k < shown; k++) /* of channels other than one or three the first */
            bytes[k] = to_byte((values[k] - low) / (high - low));
    }
    cn_tensor_free(labels);
    cn_tensor_free(image);
    return status;
}

/* ---- pictures as text ---- */

/* Mean over squares of `factor` pixels a side, less at the far edges. */
static void shrink_plane(const uint8_t *from, int64_t height, int64_t width, int64_t factor, uint8_t *to) {
    for (int64_t y = 0; y < height; y += factor)
        for (int64_t x = 0; x < width; x += factor) {
            int64_t sum = 0, count = 0;
            for (int64_t v = y; v < height && v < y + factor; v++)
                for (int64_t u = x; u < width && u < x + factor; u++, count++)
                    sum += from[v * width + u];
            /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a factor is 1 or more */
            *to++ = (uint8_t)((sum + count / 2) / count);
        }
}

cn_status cn__check_pictures(const cn_tensor *pictures, const char *what) {
    char text[CN__SHAPE_TEXT];
    bool good = pictures->dtype == CN_DTYPE_UINT8 && pictures->dims == 4 && pictures->count > 0;
    if (good && (pictures->shape[1] == 1 || pictures->shape[1] == 3))
        return CN_OK;
    return cn__error(
        CN_ERR_SHAPE, "%s: %s%s, want uint8 [N, 1 or 3, H, W]", what,
        pictures->dtype == CN_DTYPE_UINT8 ? "" : "not uint8: ", cn__shape_text(text, pictures->dims, pictures->shape));
}

static cn_status make_smaller(cn_context *ctx, const cn_tensor *images, int64_t i, int64_t factor, cn_tensor **small) {
    int64_t channels = cn_tensor_shape(images, 1), height = cn_tensor_shape(images, 2),
            width = cn_tensor_shape(images, 3);
    int64_t shape[] = {1, channels, (height + factor - 1) / factor, (width + factor - 1) / factor};
    CN__TRY(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, shape, small));
    for (int64_t c = 0; c < channels; c++)
        shrink_plane((const uint8_t *)cn_tensor_data_const(images) + (i * channels + c) * height * width, height, width,
                     factor, (uint8_t *)cn_tensor_data(*small) + c * shape[2] * shape[3]);
    return CN_OK;
}

/* Each pixel becomes a square: sharp in every viewer, whatever it makes of image-rendering. */
static cn_status magnify(cn_context *ctx, const cn_tensor *images, int64_t i, int64_t factor, cn_tensor **large) {
    int64_t channels = cn_tensor_shape(images, 1), height = cn_tensor_shape(images, 2),
            width = cn_tensor_shape(images, 3);
    int64_t shape[] = {1, channels, height * factor, width * factor};
    CN__TRY(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, shape, large));
    const uint8_t *from = (const uint8_t *)cn_tensor_data_const(images) + i * channels * height * width;
    uint8_t *to = cn_tensor_data(*large);
    for (int64_t row = 0; row < channels * height * factor; row++)
        for (int64_t x = 0; x < width * factor; x++)
            *to++ = from[row / factor * width + x / factor];
    return CN_OK;
}

static cn_status encode(cn_context *ctx, const cn_tensor *images, int64_t i, int factor, cn_tensor **png) {
    int64_t height = cn_tensor_shape(images, 2), width = cn_tensor_shape(images, 3);
    int64_t side = height > width ? height : width;
    cn_tensor *shown;
    CN__TRY(factor > 1 ? magnify(ctx, images, i, factor, &shown)
                       : make_smaller(ctx, images, i, (side + MAX_SIDE - 1) / MAX_SIDE, &shown));
    cn_status status = cn_image_encode_png(shown, png);
    cn_tensor_free(shown);
    return status;
}

cn_status cn__append_picture(cn__text *out, const cn_tensor *images, int64_t i, int factor) {
    cn_tensor *png;
    CN__TRY(encode(out->ctx, images, i, factor, &png));
    cn__text_append(out, "data:image/png;base64,");
    cn__base64_append(out, cn_tensor_data_const(png), (size_t)cn_tensor_count(png));
    cn_tensor_free(png);
    return CN_OK;
}
