/* SPDX-License-Identifier: MIT */
/* overlay.c: numbers over a picture, as colours. */
#include "image/image.h"
#include <math.h>

/* Of `to` pixels stretched over `from` values: the two that pixel `i` lies between, and how far along. */
typedef struct spot {
    int64_t low, high;
    float share; /* of the second */
} spot;

static spot find_spot(int64_t i, int64_t from, int64_t to) {
    double at = fmax(((double)i + 0.5) * (double)from / (double)to - 0.5, 0.0);
    int64_t low = (int64_t)at < from - 1 ? (int64_t)at : from - 1;
    return (spot){low, low + 1 < from ? low + 1 : low, (float)(at - (double)low)};
}

static float mix(float a, float b, float share) {
    return a + share * (b - a);
}

typedef struct overlay {
    const cn_tensor *image, *map;
    float least, range, opacity;
    cn_tensor *made;
} overlay;

static void paint_pixel(const overlay *o, int64_t y, int64_t x) {
    const int64_t *size = o->image->shape, wide = o->map->shape[3], pixels = size[2] * size[3], at = y * size[3] + x;
    const float *map = o->map->data;
    const uint8_t *from = o->image->data;
    spot row = find_spot(y, o->map->shape[2], size[2]), column = find_spot(x, wide, size[3]);
    float above = mix(map[row.low * wide + column.low], map[row.low * wide + column.high], column.share);
    float below = mix(map[row.high * wide + column.low], map[row.high * wide + column.high], column.share);
    float rgb[3];
    cn__colour_map((mix(above, below, row.share) - o->least) / o->range, rgb);
    for (int64_t c = 0; c < 3; c++)
        ((uint8_t *)o->made->data)[c * pixels + at] =
            (uint8_t)lrintf(mix((float)from[(size[1] == 3 ? c : 0) * pixels + at], rgb[c], o->opacity));
}

/* Smallest value, and how far above it the largest is. */
static cn_status measure(overlay *o) {
    const float *map = o->map->data;
    float most = map[0];
    o->least = map[0];
    for (int64_t i = 0; i < o->map->count; i++) {
        if (!isfinite(map[i]))
            return cn__error(CN_ERR_DATA, "cn_image_overlay: value %lld of the map is %f", (long long)i,
                             (double)map[i]);
        o->least = fminf(o->least, map[i]);
        most = fmaxf(most, map[i]);
    }
    o->range = most > o->least ? most - o->least : 1.0f;
    return CN_OK;
}

cn_status cn_image_overlay(const cn_tensor *image, const cn_tensor *map, float opacity, cn_tensor **overlaid) {
    CN__COMPUTES;
    CN__REQUIRE(overlaid);
    *overlaid = NULL;
    CN__REQUIRE(image);
    CN__REQUIRE(map);
    CN__TRY(cn__image_check(image, "cn_image_overlay: image"));
    const int64_t shape[4] = {1, 1, cn_tensor_shape(map, 2), cn_tensor_shape(map, 3)};
    CN__TRY(cn__tensor_expect(map, "cn_image_overlay: map", CN_DTYPE_FLOAT32, 4, shape));
    if (map->count == 0)
        return cn__error(CN_ERR_SHAPE, "cn_image_overlay: the map is empty");
    if (!(opacity >= 0.0f && opacity <= 1.0f))
        return cn__error(CN_ERR_ARGUMENT, "cn_image_overlay: opacity is %g, wanted 0 to 1", (double)opacity);
    overlay o = {.image = image, .map = map, .opacity = opacity};
    CN__TRY(measure(&o));
    CN__TRY(cn_tensor_new(image->ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, 3, image->shape[2], image->shape[3]}, &o.made));
    for (int64_t y = 0; y < image->shape[2]; y++)
        for (int64_t x = 0; x < image->shape[3]; x++)
            paint_pixel(&o, y, x);
    *overlaid = o.made;
    return CN_OK;
}
