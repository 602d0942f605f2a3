/* SPDX-License-Identifier: MIT */
/* augmentation.c: what a training image goes through: crop, flip, grayscale, rotation, perspective, with parameters
 * drawn as torchvision's RandomCrop, RandomHorizontalFlip, RandomGrayscale, RandomRotation and RandomPerspective do;
 * and where cutout (DeVries & Taylor 2017) hits it. */
#include "data/dataset.h"

/* ---- drawing ---- */

static bool happens(cn__rng *rng, float probability) {
    return probability > 0.0f && cn__rng_uniform(rng) < probability;
}

static void draw_crop(cn__changes *c, const cn_augmentation *augmentation, cn__rng *rng) {
    c->cropped = true;
    c->padding = augmentation->crop_padding;
    c->padding_mode = augmentation->crop_mode;
    c->top = (int)cn__rng_below(rng, 2 * (uint32_t)c->padding + 1);
    c->left = (int)cn__rng_below(rng, 2 * (uint32_t)c->padding + 1);
}

static void draw_rotation(cn__changes *c, float most, cn__rng *rng) {
    float degrees = cn__rng_uniform(rng) * (2.0f * most) - most;
    c->rotated = true;
    c->degrees = degrees;
}

/* Every corner moves inwards, by up to `distortion` of half a side. */
static void draw_perspective(cn__changes *c, float distortion, cn__shape shape, cn__rng *rng) {
    int corners[8];
    int half_width = shape.width / 2, half_height = shape.height / 2;
    uint32_t most_x = (uint32_t)(distortion * (float)half_width), most_y = (uint32_t)(distortion * (float)half_height);
    for (int i = 0; i < 4; i++) {
        int x = (int)cn__rng_below(rng, most_x + 1), y = (int)cn__rng_below(rng, most_y + 1);
        corners[2 * i] = i == 1 || i == 2 ? shape.width - 1 - x : x;
        corners[2 * i + 1] = i >= 2 ? shape.height - 1 - y : y;
    }
    c->perspective = cn__perspective_solve(shape.height, shape.width, corners, c->coefficients);
}

static int clamp(int value, int most) {
    return value < 0 ? 0 : value > most ? most : value;
}

static cn__hole draw_hole(int side, cn__shape shape, cn__rng *rng) {
    if (side == 0)
        return (cn__hole){0};
    int top = (int)cn__rng_below(rng, (uint32_t)shape.height) - side / 2;
    int left = (int)cn__rng_below(rng, (uint32_t)shape.width) - side / 2;
    return (cn__hole){clamp(top, shape.height), clamp(top + side, shape.height), clamp(left, shape.width),
                      clamp(left + side, shape.width)};
}

/* The order in which numbers are drawn is part of what a seed means. */
cn__changes cn__changes_draw(const cn_augmentation *augmentation, cn__shape shape, cn__rng *rng, bool turn) {
    cn__changes c = {0};
    if (augmentation->crop_padding > 0)
        draw_crop(&c, augmentation, rng);
    c.flipped = augmentation->alternating_flip ? turn : happens(rng, augmentation->horizontal_flip);
    c.grayscale = happens(rng, augmentation->grayscale);
    if (augmentation->rotation > 0.0f)
        draw_rotation(&c, augmentation->rotation, rng);
    if (augmentation->perspective_distortion > 0.0f && happens(rng, augmentation->perspective))
        draw_perspective(&c, augmentation->perspective_distortion, shape, rng);
    c.hole = draw_hole(augmentation->cutout, shape, rng);
    return c;
}

/* ---- applying ---- */

static size_t round_up(size_t bytes) {
    return (bytes + CN__ALIGN - 1) / CN__ALIGN * CN__ALIGN;
}

static size_t picture_bytes(cn__planes planes) {
    return round_up((size_t)planes.shape.channels * (size_t)planes.shape.height * (size_t)planes.shape.width *
                    cn__pixel_bytes(planes.kind));
}

size_t cn__changes_scratch(cn__planes planes) {
    return 2 * picture_bytes(planes) + round_up((size_t)planes.shape.width * CN__ROW_BYTES);
}

/* A picture on its way: where it is now, and the two places it moves between. */
typedef struct journey {
    const void *now;
    void *next, *other;
} journey;

/* The next place has been painted. */
static void painted(journey *j) {
    void *done = j->next;
    j->next = j->other;
    j->other = done;
    j->now = done;
}

const void *cn__changes_apply(const cn__changes *c, cn__planes planes, const void *pixels, void *scratch) {
    char *first = scratch, *second = first + picture_bytes(planes), *row = second + picture_bytes(planes);
    journey j = {pixels, first, second};
    if (c->cropped) {
        cn__crop(planes, j.now, j.next, c->padding, c->padding_mode, c->top, c->left, row);
        painted(&j);
    }
    if (c->flipped) {
        cn__flip(planes, j.now, j.next);
        painted(&j);
    }
    if (c->grayscale) {
        cn__grayscale(planes.shape, j.now, j.next);
        painted(&j);
    }
    if (c->rotated) {
        cn__rotate(planes, j.now, j.next, c->degrees, row);
        painted(&j);
    }
    if (c->perspective) {
        cn__perspective(planes, j.now, j.next, c->coefficients, row);
        painted(&j);
    }
    return j.now;
}

/* ---- the caller's choice ---- */

static cn_status check_amount(const char *name, float value, float most) {
    if (value >= 0.0f && value <= most)
        return CN_OK;
    return cn__error(CN_ERR_ARGUMENT, "cn_augmentation: %s is %g, wanted 0 to %g", name, (double)value, (double)most);
}

static cn_status check(const cn_augmentation *a, const cn__images *images) {
    int side = images->height < images->width ? images->height : images->width;
    CN__TRY(check_amount("horizontal_flip", a->horizontal_flip, 1.0f));
    CN__TRY(check_amount("grayscale", a->grayscale, 1.0f));
    CN__TRY(check_amount("rotation", a->rotation, 180.0f));
    CN__TRY(check_amount("perspective_distortion", a->perspective_distortion, 1.0f));
    CN__TRY(check_amount("perspective", a->perspective, 1.0f));
    if (a->crop_padding < 0 || a->crop_padding >= side)
        return cn__error(CN_ERR_ARGUMENT, "cn_augmentation: crop_padding is %d, wanted 0 to %d for images of %d×%d",
                         a->crop_padding, side - 1, images->height, images->width);
    if (a->crop_mode != CN_PADDING_ZEROS && a->crop_mode != CN_PADDING_REPLICATE && a->crop_mode != CN_PADDING_REFLECT)
        return cn__error(CN_ERR_ARGUMENT, "cn_augmentation: crop_mode is %d, wanted zeros, replicate or reflect",
                         (int)a->crop_mode);
    if (a->cutout < 0 || a->cutout > CN__MAX_SIDE)
        return cn__error(CN_ERR_ARGUMENT, "cn_augmentation: cutout is %d, wanted 0 to %d", a->cutout, CN__MAX_SIDE);
    if (a->grayscale > 0.0f && (images->channels != 3 || images->kind != CN__PIXEL_BYTES))
        return cn__error(CN_ERR_ARGUMENT,
                         "cn_augmentation: grayscale is for 3 channels of 8 bits, the images have %d%s",
                         images->channels, images->kind == CN__PIXEL_BYTES ? "" : " of float32");
    return CN_OK;
}

cn_status cn_dataset_set_augmentation(cn_dataset *dataset, const cn_augmentation *augmentation) {
    CN__COMPUTES;
    CN__REQUIRE(dataset);
    cn_augmentation known = CN_AUGMENTATION_INIT;
    if (augmentation) {
        CN__TRY(CN__READ_OPTIONS(&known, cn_augmentation, augmentation));
        CN__TRY(cn__check_reserved("cn_augmentation", known.reserved == 0));
        CN__TRY(check(&known, dataset->images));
        CN__TRY(cn__targets_allow(dataset, &known, "cn_dataset_set_augmentation"));
    }
    dataset->augmentation = known;
    return CN_OK;
}

cn_status cn_dataset_augmentation(const cn_dataset *dataset, cn_augmentation *augmentation) {
    CN__REQUIRE(dataset);
    CN__REQUIRE(augmentation);
    return cn__struct_write(augmentation, &dataset->augmentation, sizeof *augmentation, sizeof *augmentation,
                            "cn_augmentation");
}
