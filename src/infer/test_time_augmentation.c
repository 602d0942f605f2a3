/* SPDX-License-Identifier: MIT */
/* test_time_augmentation.c: what a model says of an image looked at in several ways: mirrored, moved by a few pixels.
 */
#include "infer/infer.h"

#define MOST 8

cn_status cn__variants_check(const char *options, const cn__variants *variants, const cn_model *model, cn__shape image,
                             cn__shape output) {
    const char *which = variants->flip ? "flip" : "shift";
    int32_t inputs = cn__model_input_count(model), outputs = cn__model_output_count(model);
    int side = image.height < image.width ? image.height : image.width, most = side - 1 < MOST ? side - 1 : MOST;
    if (variants->shift < 0 || variants->shift > most)
        return cn__error(CN_ERR_ARGUMENT, "%s: shift is %d, wanted 0 to %d for images of %d×%d", options,
                         variants->shift, most, image.height, image.width);
    if (cn__variant_count(variants) == 1)
        return CN_OK;
    if (inputs > 1 || outputs > 1)
        return cn__error(CN_ERR_SHAPE, "%s: %s, but the model has %d inputs and %d outputs, wanted one of each",
                         options, which, inputs, outputs);
    if (output.height != 1 || output.width != 1)
        return cn__error(CN_ERR_SHAPE, "%s: %s, but the model's output is %d×%d×%d, wanted one value a class", options,
                         which, output.channels, output.height, output.width);
    return CN_OK;
}

static int places(const cn__variants *variants) {
    int side = 2 * variants->shift + 1;
    return side * side;
}

int cn__variant_count(const cn__variants *variants) {
    return places(variants) * (variants->flip ? 2 : 1);
}

cn__variant cn__variant_at(const cn__variants *variants, int index) {
    int side = 2 * variants->shift + 1, middle = places(variants) / 2, place = variants->flip ? index / 2 : index;
    place = place == 0 ? middle : place <= middle ? place - 1 : place; /* the image as it is comes first */
    return (cn__variant){.mirror = variants->flip && index % 2,
                         .down = place / side - variants->shift,
                         .right = place % side - variants->shift};
}
