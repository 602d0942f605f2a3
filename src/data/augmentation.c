/* augmentation.c: what a training image goes through: crop, flip, grayscale, rotation, perspective, with parameters
 * drawn as torchvision's RandomCrop, RandomHorizontalFlip, RandomGrayscale, RandomRotation and RandomPerspective do;
 * and where cutout (DeVries & Taylor 2017) hits it. */
#include "data/dataset.h"

/* An image on its way: where it is now, and the two places it moves between. */
typedef struct augment_buffers {
    cn__shape shape;
    cn__rng *rng;
    const uint8_t *now;
    uint8_t *next, *other;
    void *row;
} augment_buffers;

static size_t round_up(size_t bytes) {
    return (bytes + CN__ALIGN - 1) / CN__ALIGN * CN__ALIGN;
}

static size_t image_bytes(cn__shape shape) {
    return round_up((size_t)shape.channels * (size_t)shape.height * (size_t)shape.width);
}

size_t cn__augment_scratch(cn__shape shape) {
    return 2 * image_bytes(shape) + round_up((size_t)shape.width * CN__ROW_BYTES);
}

/* The next place has been painted. */
static void painted(augment_buffers *e) {
    uint8_t *done = e->next;
    e->next = e->other;
    e->other = done;
    e->now = done;
}

static bool happens(cn__rng *rng, float probability) {
    return probability > 0.0f && cn__rng_uniform(rng) < probability;
}

static void crop(augment_buffers *e, int padding, cn_padding_mode mode) {
    int top = (int)cn__rng_below(e->rng, 2 * (uint32_t)padding + 1);
    int left = (int)cn__rng_below(e->rng, 2 * (uint32_t)padding + 1);
    cn__crop(e->shape, e->now, e->next, padding, mode, top, left, e->row);
    painted(e);
}

static void rotate(augment_buffers *e, float most) {
    float degrees = cn__rng_uniform(e->rng) * (2.0f * most) - most;
    cn__rotate(e->shape, e->now, e->next, degrees, e->row);
    painted(e);
}

/* Every corner moves inwards, by up to `distortion` of half a side. */
static void perspective(augment_buffers *e, float distortion) {
    int height = e->shape.height, width = e->shape.width, corners[8];
    uint32_t most_x = (uint32_t)(distortion * (float)(width / 2)),
             most_y = (uint32_t)(distortion * (float)(height / 2));
    double coefficients[8];
    for (int i = 0; i < 4; i++) {
        int x = (int)cn__rng_below(e->rng, most_x + 1), y = (int)cn__rng_below(e->rng, most_y + 1);
        corners[2 * i] = i == 1 || i == 2 ? width - 1 - x : x;
        corners[2 * i + 1] = i >= 2 ? height - 1 - y : y;
    }
    if (!cn__perspective_solve(height, width, corners, coefficients))
        return;
    cn__perspective(e->shape, e->now, e->next, coefficients, e->row);
    painted(e);
}

const uint8_t *cn__augment(const cn_augmentation *augmentation, cn__shape shape, cn__rng *rng, bool turn,
                           const uint8_t *pixels, void *scratch) {
    uint8_t *first = scratch, *second = first + image_bytes(shape);
    augment_buffers e = {shape, rng, pixels, first, second, second + image_bytes(shape)};
    if (augmentation->crop_padding > 0)
        crop(&e, augmentation->crop_padding, augmentation->crop_mode);
    if (augmentation->alternating_flip ? turn : happens(rng, augmentation->horizontal_flip)) {
        cn__flip(shape, e.now, e.next);
        painted(&e);
    }
    if (happens(rng, augmentation->grayscale)) {
        cn__grayscale(shape, e.now, e.next);
        painted(&e);
    }
    if (augmentation->rotation > 0.0f)
        rotate(&e, augmentation->rotation);
    if (augmentation->perspective_distortion > 0.0f && happens(rng, augmentation->perspective))
        perspective(&e, augmentation->perspective_distortion);
    return e.now;
}

static int clamp(int value, int most) {
    return value < 0 ? 0 : value > most ? most : value;
}

cn__hole cn__cutout(const cn_augmentation *augmentation, cn__shape shape, cn__rng *rng) {
    int side = augmentation->cutout;
    if (side == 0)
        return (cn__hole){0};
    int top = (int)cn__rng_below(rng, (uint32_t)shape.height) - side / 2;
    int left = (int)cn__rng_below(rng, (uint32_t)shape.width) - side / 2;
    return (cn__hole){clamp(top, shape.height), clamp(top + side, shape.height), clamp(left, shape.width),
                      clamp(left + side, shape.width)};
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
    if (a->grayscale > 0.0f && images->channels != 3)
        return cn__error(CN_ERR_ARGUMENT, "cn_augmentation: grayscale is for 3 channels, the images have %d",
                         images->channels);
    if (images->floats)
        return cn__error(CN_ERR_UNSUPPORTED, "cn_dataset_set_augmentation: the images are float32, not 8-bit");
    return CN_OK;
}

cn_status cn_dataset_set_augmentation(cn_dataset *dataset, const cn_augmentation *augmentation) {
    CN__REQUIRE(dataset);
    cn_augmentation known = CN_AUGMENTATION_INIT;
    if (augmentation) {
        CN__TRY(CN__READ_OPTIONS(&known, cn_augmentation, augmentation));
        CN__TRY(cn__check_reserved("cn_augmentation", known.reserved == 0));
        CN__TRY(check(&known, dataset->images));
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
