/* views.c: what a model says of an image looked at in several ways: mirrored, moved by a few pixels. */
#include "train/train.h"

#define MOST 8

cn_status cn__views_check(const char *options, const cn__views *views, cn__shape image, cn__shape output) {
    int side = image.height < image.width ? image.height : image.width, most = side - 1 < MOST ? side - 1 : MOST;
    if (views->shift < 0 || views->shift > most)
        return cn__error(CN_ERR_ARGUMENT, "%s: shift is %d, wanted 0 to %d for images of %d×%d", options, views->shift,
                         most, image.height, image.width);
    if (cn__view_count(views) > 1 && (output.height != 1 || output.width != 1))
        return cn__error(CN_ERR_SHAPE, "%s: %s, but the model's output is %d×%d×%d, wanted one value a class", options,
                         views->flip ? "flip" : "shift", output.channels, output.height, output.width);
    return CN_OK;
}

static int places(const cn__views *views) {
    int side = 2 * views->shift + 1;
    return side * side;
}

int cn__view_count(const cn__views *views) {
    return places(views) * (views->flip ? 2 : 1);
}

cn__view cn__view_at(const cn__views *views, int index) {
    int side = 2 * views->shift + 1, middle = places(views) / 2, place = views->flip ? index / 2 : index;
    place = place == 0 ? middle : place <= middle ? place - 1 : place; /* the image as it is comes first */
    return (cn__view){
        .mirror = views->flip && index % 2, .down = place / side - views->shift, .right = place % side - views->shift};
}
