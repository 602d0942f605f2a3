/* SPDX-License-Identifier: MIT */
/* resize.c: pictures in other sizes, with antialiasing: each new pixel is a weighted mean of those under a triangle as
 * wide as two old or two new pixels, whichever are larger (bilinear interpolation where the picture grows). Weights,
 * their rounding to 22 bits, and columns before rows are Pillow's, so the bytes are too. */
#include "image/image.h"
#include <math.h>

#define WEIGHT_BITS 22

/* How new pixels first … first + count - 1 along one side come from old ones. */
typedef struct filter {
    int64_t count;
    int64_t *start;   /* the first old pixel of each */
    int64_t *taps;    /* how many */
    int64_t most;     /* taps that any may have */
    int32_t *weights; /* [count][most] */
} filter;

/* The part of a side that is wanted. */
typedef struct range {
    int64_t first, count, of, from; /* of so many new pixels, out of so many old ones */
} range;

static double triangle(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static void fill_filter(filter *f, const range *r) {
    double scale = (double)r->from / (double)r->of, width = scale > 1.0 ? scale : 1.0, narrow = 1.0 / width;
    for (int64_t i = 0; i < r->count; i++) {
        double centre = ((double)(r->first + i) + 0.5) * scale, sum = 0.0;
        int64_t start = (int64_t)(centre - width + 0.5), end = (int64_t)(centre + width + 0.5);
        start = centre - width + 0.5 < 0.0 ? 0 : start;
        end = end < r->from ? end : r->from;
        f->start[i] = start;
        f->taps[i] = end - start;
        for (int64_t x = start; x < end; x++)
            sum += triangle(((double)x - centre + 0.5) * narrow);
        for (int64_t x = start; x < end; x++) {
            double weight = triangle(((double)x - centre + 0.5) * narrow) / sum;
            f->weights[i * f->most + x - start] = (int32_t)(weight * (1 << WEIGHT_BITS) + 0.5);
        }
    }
}

static void filter_free(cn_context *ctx, filter *f) {
    cn__free(ctx, f->start);
    cn__free(ctx, f->taps);
    cn__free(ctx, f->weights);
}

/* To be freed also if this fails. */
static cn_status filter_new(cn_context *ctx, const range *r, filter *f) {
    double scale = (double)r->from / (double)r->of;
    *f = (filter){.count = r->count, .most = 2 * (int64_t)ceil(scale > 1.0 ? scale : 1.0) + 1};
    f->most = f->most < r->from ? f->most : r->from;
    f->start = cn__alloc(ctx, (size_t)r->count, sizeof *f->start);
    f->taps = cn__alloc(ctx, (size_t)r->count, sizeof *f->taps);
    f->weights = cn__alloc(ctx, (size_t)r->count, (size_t)f->most * sizeof *f->weights);
    if (!f->start || !f->taps || !f->weights)
        return cn__no_memory("resizing a picture");
    fill_filter(f, r);
    return CN_OK;
}

/* One new pixel of pixels that lie `step` apart. */
static uint8_t weigh(const uint8_t *from, int64_t step, const int32_t *weights, int64_t taps) {
    int32_t sum = 1 << (WEIGHT_BITS - 1);
    for (int64_t i = 0; i < taps; i++)
        sum += from[i * step] * weights[i];
    sum >>= WEIGHT_BITS;
    return (uint8_t)(sum < 255 ? sum : 255); /* weights may add up to a little more than 1 */
}

/* Old rows from the first to the last that are read. */
static int64_t rows_read(const filter *rows) {
    return rows->start[rows->count - 1] + rows->taps[rows->count - 1] - rows->start[0];
}

/* A plane: columns first, into `between`, of those rows only that the second pass reads. */
static void resize_plane(const uint8_t *from, int64_t width, const filter *rows, const filter *columns,
                         uint8_t *between, uint8_t *to) {
    int64_t top = rows->start[0], bottom = rows->start[rows->count - 1] + rows->taps[rows->count - 1];
    int64_t wide = columns->count;
    for (int64_t y = top; y < bottom; y++)
        for (int64_t x = 0; x < wide; x++)
            between[(y - top) * wide + x] =
                weigh(from + y * width + columns->start[x], 1, columns->weights + x * columns->most, columns->taps[x]);
    for (int64_t y = 0; y < rows->count; y++)
        for (int64_t x = 0; x < wide; x++)
            to[y * wide + x] =
                weigh(between + (rows->start[y] - top) * wide + x, wide, rows->weights + y * rows->most, rows->taps[y]);
}

static cn_status resize_planes(const cn_tensor *image, const filter *rows, const filter *columns, cn_tensor *to) {
    int64_t old = image->shape[2] * image->shape[3], new = to->shape[2] * to->shape[3];
    uint8_t *between = cn__alloc(image->ctx, (size_t)rows_read(rows), (size_t)columns->count);
    if (!between)
        return cn__no_memory("resizing a picture");
    for (int64_t c = 0; c < image->shape[1]; c++)
        resize_plane((const uint8_t *)image->data + c * old, image->shape[3], rows, columns, between,
                     (uint8_t *)to->data + c * new);
    cn__free(image->ctx, between);
    return CN_OK;
}

/* The wanted part of a picture in another size. */
static cn_status resize(const cn_tensor *image, const range *rows, const range *columns, cn_tensor **part) {
    cn_context *ctx = image->ctx;
    filter down = {0}, across = {0};
    CN__TRY(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, image->shape[1], rows->count, columns->count}, part));
    cn_status status = filter_new(ctx, rows, &down);
    if (status == CN_OK)
        status = filter_new(ctx, columns, &across);
    if (status == CN_OK)
        status = resize_planes(image, &down, &across, *part);
    filter_free(ctx, &across);
    filter_free(ctx, &down);
    if (status != CN_OK) {
        cn_tensor_free(*part);
        *part = NULL;
    }
    return status;
}

static cn_status check_size(const char *function, int height, int width) {
    if (height >= 1 && width >= 1 && width <= CN__MAX_PIXELS / height)
        return CN_OK;
    return cn__error(CN_ERR_ARGUMENT, "%s: %d×%d pixels, wanted 1 to %d", function, width, height, CN__MAX_PIXELS);
}

cn_status cn_image_resize(const cn_tensor *image, int height, int width, cn_tensor **resized) {
    CN__COMPUTES;
    CN__REQUIRE(resized);
    *resized = NULL;
    CN__REQUIRE(image);
    CN__TRY(cn__image_check(image, "cn_image_resize: image"));
    CN__TRY(check_size("cn_image_resize", height, width));
    return resize(image, &(range){0, height, height, image->shape[2]}, &(range){0, width, width, image->shape[3]},
                  resized);
}

/* ---- fitting ---- */

/* torchvision rounds half a pixel to the even side. */
static int64_t centred(int64_t all, int64_t part) {
    int64_t twice = all - part;
    return twice / 2 + (twice % 2 && twice / 2 % 2);
}

/* The size in which the picture just covers height × width, and the middle of it. */
static void find_cover(const cn_tensor *image, int64_t height, int64_t width, range *rows, range *columns) {
    int64_t old_height = image->shape[2], old_width = image->shape[3];
    *rows = (range){.count = height, .of = height, .from = old_height};
    *columns = (range){.count = width, .of = width, .from = old_width};
    if (old_width * height <= old_height * width)
        rows->of = width * old_height / old_width;
    else
        columns->of = height * old_width / old_height;
    rows->first = centred(rows->of, height);
    columns->first = centred(columns->of, width);
}

static cn_status cover(const cn_tensor *image, int64_t height, int64_t width, cn_tensor **part) {
    range rows, columns;
    find_cover(image, height, width, &rows, &columns);
    return resize(image, &rows, &columns, part);
}

/* The old pixel in which the centre of new pixel i of a range lies. */
static int64_t nearest(const range *r, int64_t i) {
    return (2 * (r->first + i) + 1) * r->from / (2 * r->of);
}

cn_status cn__image_fit_nearest(const cn_tensor *mask, int height, int width, cn_tensor **fitted) {
    range rows, columns;
    find_cover(mask, height, width, &rows, &columns);
    CN__TRY(cn_tensor_new(mask->ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, 1, height, width}, fitted));
    const uint8_t *from = mask->data;
    uint8_t *to = (*fitted)->data;
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++)
            *to++ = from[nearest(&rows, y) * mask->shape[3] + nearest(&columns, x)];
    return CN_OK;
}

/* A copy in grey or in three equal channels. */
static cn_status convert(const cn_tensor *image, int channels, cn_tensor **converted) {
    int64_t pixels = image->count / image->shape[1];
    const uint8_t *from = image->data;
    CN__TRY(cn_tensor_new(image->ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, channels, image->shape[2], image->shape[3]},
                          converted));
    uint8_t *to = (*converted)->data;
    for (int64_t i = 0; i < pixels; i++)
        if (channels == 1)
            to[i] = cn__luma(from[i], from[pixels + i], from[2 * pixels + i]);
        else
            to[i] = to[pixels + i] = to[2 * pixels + i] = from[i];
    return CN_OK;
}

cn_status cn_image_fit(const cn_tensor *image, int channels, int height, int width, cn_tensor **fitted) {
    CN__COMPUTES;
    cn_tensor *converted = NULL, *made = NULL;
    CN__REQUIRE(fitted);
    *fitted = NULL;
    CN__REQUIRE(image);
    CN__TRY(cn__image_check(image, "cn_image_fit: image"));
    CN__TRY(check_size("cn_image_fit", height, width));
    if (channels != 1 && channels != 3)
        return cn__error(CN_ERR_ARGUMENT, "cn_image_fit: channels is %d, wanted 1 or 3", channels);
    /* Colour is taken out before, and put in after, so that the fewer channels are resized. */
    if (channels < image->shape[1])
        CN__TRY(convert(image, channels, &converted));
    cn_status status = cover(converted ? converted : image, height, width, &made);
    cn_tensor_free(converted);
    if (status == CN_OK && channels > made->shape[1]) {
        status = convert(made, channels, fitted);
        cn_tensor_free(made);
        return status;
    }
    *fitted = made;
    return status;
}
