/* SPDX-License-Identifier: MIT */
/* test_targets_moved.c: targets move as the images are moved by augmentation, or are refused where nothing says how. */
#include "pictures.h"
#include "testing.h"
#include "base/base.h"
#include <math.h>

TEST_RUNS_ONCE;

/* ---- masks and images ---- */

/* What is 0 in the moved image came from outside. */
static void expect_moved(const drawn *d, int images_moved) {
    const float *image = floats_of(d->images);
    int outside = 0, moved = 0;
    for (int i = 0; i < PICTURES * PICTURE_PIXELS; i++) {
        int value = (int)lroundf(image[i] * 255.0f);
        ck_assert_int_eq(integers_of(d->targets[0])[i], value == 0 ? PICTURE_IGNORED : value);
        ck_assert_int_eq(integers_of(d->targets[1])[i], value == 0 ? PICTURE_IGNORED : value);
        ck_assert_float_eq(floats_of(d->targets[2])[i], image[i]);
        ck_assert_float_eq(floats_of(d->targets[3])[i], image[i]);
        outside += value == 0;
        moved += value != picture_value(i);
    }
    ck_assert_int_eq(moved > PICTURES * PICTURE_PIXELS / 2, images_moved);
    ck_assert_int_eq(outside > 0, images_moved);
}

static void add_maps(const pictures *f, cn_dataset *set) {
    cn_target_options mask = target_mask(), image = target_of(CN_TARGET_IMAGE);
    ck_ok(cn_dataset_add_target(set, f->masks, &mask));
    ck_ok(cn_dataset_add_target(set, f->wide_masks, &mask));
    ck_ok(cn_dataset_add_target(set, f->bytes, &image));
    ck_ok(cn_dataset_add_target(set, f->floats, &image));
}

/* For images of bytes and of floats. */
START_TEST(masks_and_images_move_with_the_images) {
    pictures f = pictures_begin();
    const cn_padding_mode modes[3] = {CN_PADDING_ZEROS, CN_PADDING_REPLICATE, CN_PADDING_REFLECT};
    cn_dataset *floats;
    ck_ok(cn_dataset_memory(f.ctx, f.floats, NULL, 0, &floats));
    cn_dataset *const sets[2] = {f.set, floats};
    for (int s = 0; s < 2; s++) {
        add_maps(&f, sets[s]);
        for (int m = 0; m < 3; m++) {
            cn_augmentation moves = pictures_moves(modes[m]);
            ck_ok(cn_dataset_set_augmentation(sets[s], &moves));
            drawn changed = drawn_new(sets[s], f.ctx, 1, m), plain = drawn_new(sets[s], f.ctx, 0, m);
            expect_moved(&changed, 1);
            expect_moved(&plain, 0);
            drawn_free(&changed);
            drawn_free(&plain);
        }
    }
    cn_dataset_free(floats);
    pictures_end(&f);
}
END_TEST

/* Bilinear of bytes is cut off, of floats it is not; a mask has the nearest. On one colour, masks end where it does. */
START_TEST(perspective_moves_all_alike) {
    pictures f = pictures_begin();
    cn_augmentation bend = CN_AUGMENTATION_INIT;
    int unlike = 0, outside = 0;
    bend.perspective = 1.0f;
    bend.perspective_distortion = 0.6f;
    for (int i = 0; i < PICTURES * PICTURE_PIXELS; i++) {
        ((uint8_t *)cn_tensor_data(f.bytes))[i] = i % PICTURE_SIDE < PICTURE_SIDE / 2 ? 200 : 100;
        ((float *)cn_tensor_data(f.floats))[i] =
            i % PICTURE_SIDE < PICTURE_SIDE / 2 ? 200.0f / 255.0f : 100.0f / 255.0f;
        ((uint8_t *)cn_tensor_data(f.masks))[i] = i % PICTURE_SIDE < PICTURE_SIDE / 2;
        ((int64_t *)cn_tensor_data(f.wide_masks))[i] = i % PICTURE_SIDE < PICTURE_SIDE / 2;
    }
    add_maps(&f, f.set);
    ck_ok(cn_dataset_set_augmentation(f.set, &bend));
    drawn d = drawn_new(f.set, f.ctx, 1, 0);
    for (int i = 0; i < PICTURES * PICTURE_PIXELS; i++) {
        float image = floats_of(d.images)[i] * 255.0f;
        int64_t mask = integers_of(d.targets[0])[i];
        ck_assert_int_eq(mask, integers_of(d.targets[1])[i]);
        ck_assert_float_eq(floats_of(d.targets[2])[i] * 255.0f, image);
        ck_assert_float_ge(floats_of(d.targets[3])[i] * 255.0f, image - 0.001f);
        ck_assert_float_le(floats_of(d.targets[3])[i] * 255.0f, image + 1.001f);
        ck_assert_int_eq(mask == PICTURE_IGNORED, image == 0.0f);
        outside += mask == PICTURE_IGNORED;
        unlike += mask != PICTURE_IGNORED && (mask == 1) != (image >= 150.0f);
    }
    ck_assert_int_gt(outside, PICTURES * PICTURE_PIXELS / 20);
    ck_assert_int_lt(unlike,
                     PICTURES * PICTURE_SIDE); /* of the pixels that lie across the edge, some go the other way */
    drawn_free(&d);
    pictures_end(&f);
}
END_TEST

/* What an autoencoder is to give: what it was shown, not normalised, without the hole. */
START_TEST(images_can_be_their_own_targets) {
    pictures f = pictures_begin();
    const float mean = 0.5f, std = 0.25f;
    cn_target_options image = target_of(CN_TARGET_IMAGE), told = CN_TARGET_OPTIONS_INIT;
    cn_augmentation moves = pictures_moves(CN_PADDING_ZEROS);
    int holes = 0;
    moves.cutout = 8;
    ck_ok(cn_dataset_add_target(f.set, NULL, &image));
    ck_ok(cn_dataset_target(f.set, 0, &told));
    ck_assert(told.shape[0] == 1 && told.shape[1] == PICTURE_SIDE && told.shape[2] == PICTURE_SIDE);
    ck_ok(cn_dataset_set_normalization(f.set, 1, &mean, &std));
    ck_ok(cn_dataset_set_augmentation(f.set, &moves));
    drawn d = drawn_new(f.set, f.ctx, 1, 0);
    for (int i = 0; i < PICTURES * PICTURE_PIXELS; i++) {
        float shown = floats_of(d.images)[i], wanted = floats_of(d.targets[0])[i];
        bool hole = shown == 0.0f; /* no byte is normalised to that */
        holes += hole;
        ck_assert_float_eq(shown, hole ? 0.0f : (wanted - mean) / std);
    }
    ck_assert_int_ge(holes, PICTURES * 16);
    ck_assert_int_le(holes, PICTURES * 64);
    drawn_free(&d);
    pictures_end(&f);
}
END_TEST

START_TEST(maps_of_another_size_can_be_mirrored_only) {
    pictures f = pictures_begin();
    const int64_t half[3] = {PICTURES, 3, 4};
    cn_target_options mask = target_mask();
    cn_tensor *masks = new_tensor(f.ctx, CN_DTYPE_INT64, 3, half);
    cn_augmentation flip = CN_AUGMENTATION_INIT, crop = flip;
    flip.horizontal_flip = 1.0f;
    crop.crop_padding = 1;
    for (int i = 0; i < PICTURES * 12; i++)
        ((int64_t *)cn_tensor_data(masks))[i] = i;
    ck_ok(cn_dataset_add_target(f.set, masks, &mask));
    ck_fails(cn_dataset_set_augmentation(f.set, &crop), CN_ERR_ARGUMENT, "24×24, and one is 3×4");
    ck_ok(cn_dataset_set_augmentation(f.set, &flip));
    drawn d = drawn_new(f.set, f.ctx, 1, 0);
    for (int i = 0; i < PICTURES * 12; i++)
        ck_assert_int_eq(integers_of(d.targets[0])[i], i - i % 4 + 3 - i % 4);
    drawn_free(&d);
    cn_tensor_free(masks);
    pictures_end(&f);
}
END_TEST

/* ---- vectors ---- */

/* The middle of the light within three pixels of (x, y), and the brightest of it. */
static void find_spot(const float *image, float x, float y, double middle[2], float *brightest) {
    int left = (int)lroundf(x) - 3, top = (int)lroundf(y) - 3;
    double sum = 0.0;
    middle[0] = middle[1] = *brightest = 0.0f;
    for (int p = 0; p < 49; p++) {
        int row = top + p / 7, column = left + p % 7;
        float light = row < 0 || row >= PICTURE_SIDE || column < 0 || column >= PICTURE_SIDE
                          ? 0.0f
                          : image[row * PICTURE_SIDE + column];
        middle[0] += (double)light * column;
        middle[1] += (double)light * row;
        sum += (double)light;
        *brightest = fmaxf(*brightest, light);
    }
    middle[0] /= sum;
    middle[1] /= sum;
}

/* Two squares of 3 × 3 pixels, grey on the left and white on the right; where the image is mirrored, the points change
 * places, so that point 0 stays with what is on the left. */
static void check_points(const cn_augmentation *moves, const int mirrored[2], double tolerance) {
    pictures f = pictures_begin();
    const int64_t n[2] = {PICTURES, 4};
    cn_target_options points = target_of(CN_TARGET_VECTOR);
    cn_tensor *vectors = new_tensor(f.ctx, CN_DTYPE_FLOAT32, 2, n);
    int swapped = 0;
    points.vector = CN_VECTOR_POINTS;
    points.mirrored = mirrored;
    memset(cn_tensor_data(f.bytes), 0, PICTURES * PICTURE_PIXELS);
    for (int i = 0; i < PICTURES; i++) {
        const int at[4] = {8 - i % 3, 9 + i % 4, 15, 12 + i % 2};
        for (int v = 0; v < 4; v++)
            ((float *)cn_tensor_data(vectors))[4 * i + v] = (float)at[v];
        for (int p = 0; p < 9; p++)
            for (int k = 0; k < 2; k++)
                ((uint8_t *)cn_tensor_data(
                    f.bytes))[i * PICTURE_PIXELS + (at[2 * k + 1] + p / 3 - 1) * PICTURE_SIDE + at[2 * k] + p % 3 - 1] =
                    k ? 255 : 120;
    }
    ck_ok(cn_dataset_add_target(f.set, vectors, &points));
    ck_ok(cn_dataset_set_augmentation(f.set, moves));
    drawn d = drawn_new(f.set, f.ctx, 1, 0);
    for (int i = 0; i < PICTURES; i++) {
        const float *point = floats_of(d.targets[0]) + 4 * i;
        float light[2];
        for (int k = 0; k < 2; k++) {
            double middle[2];
            find_spot(floats_of(d.images) + i * PICTURE_PIXELS, point[2 * k], point[2 * k + 1], middle, &light[k]);
            ck_assert_double_eq_tol(point[2 * k], middle[0], tolerance);
            ck_assert_double_eq_tol(point[2 * k + 1], middle[1], tolerance);
        }
        ck_assert_float_eq(fmaxf(light[0], light[1]), 1.0f);
        ck_assert_float_lt(fminf(light[0], light[1]), 0.5f);
        swapped += light[0] > light[1];
    }
    ck_assert_int_eq(swapped > 0, mirrored[0] == 1 && moves->horizontal_flip > 0.0f);
    drawn_free(&d);
    cn_tensor_free(vectors);
    pictures_end(&f);
}

START_TEST(points_go_where_the_pixels_go) {
    const int stay[2] = {0, 1}, swap[2] = {1, 0};
    cn_augmentation moves = CN_AUGMENTATION_INIT;
    moves.crop_padding = 3;
    moves.horizontal_flip = 0.5f;
    check_points(&moves, stay, 0.001);
    check_points(&moves, swap, 0.001);
    moves.rotation = 30.0f;
    check_points(&moves, swap, 0.5);
    moves.crop_padding = 0;
    moves.rotation = 0.0f;
    moves.perspective = 1.0f;
    moves.perspective_distortion = 0.3f;
    check_points(&moves, stay, 0.3);
}
END_TEST

START_TEST(vectors_go_only_with_what_leaves_them_true) {
    pictures f = pictures_begin();
    const int64_t n[2] = {PICTURES, 4};
    cn_target_options vector = target_of(CN_TARGET_VECTOR);
    cn_tensor *vectors = new_tensor(f.ctx, CN_DTYPE_FLOAT32, 2, n);
    cn_augmentation flip = CN_AUGMENTATION_INIT, turn = flip, still = flip;
    flip.alternating_flip = 1;
    turn.rotation = 3.0f;
    still.cutout = 4;
    ck_ok(cn_dataset_add_target(f.set, vectors, &vector));
    ck_ok(cn_dataset_set_augmentation(f.set, &still));
    ck_fails(cn_dataset_set_augmentation(f.set, &flip), CN_ERR_ARGUMENT, "a vector of 4 numbers");
    ck_fails(cn_dataset_set_augmentation(f.set, &turn), CN_ERR_ARGUMENT, "CN_VECTOR_INVARIANT or CN_VECTOR_POINTS");
    ck_ok(cn_dataset_clear_targets(f.set));
    vector.vector = CN_VECTOR_INVARIANT;
    ck_ok(cn_dataset_add_target(f.set, vectors, &vector));
    ck_ok(cn_dataset_set_augmentation(f.set, &flip));
    ck_ok(cn_dataset_clear_targets(f.set));
    vector.vector = CN_VECTOR_POINTS;
    ck_fails(cn_dataset_add_target(f.set, vectors, &vector), CN_ERR_ARGUMENT, "which of 2 points then change places");
    ck_ok(cn_dataset_set_augmentation(f.set, &turn));
    ck_ok(cn_dataset_add_target(f.set, vectors, &vector));
    ck_fails(cn_dataset_set_augmentation(f.set, &flip), CN_ERR_ARGUMENT, "mirrored");
    cn_tensor_free(vectors);
    pictures_end(&f);
}
END_TEST

int main(void) {
    const TTest *const moves[] = {masks_and_images_move_with_the_images,
                                  perspective_moves_all_alike,
                                  images_can_be_their_own_targets,
                                  points_go_where_the_pixels_go,
                                  vectors_go_only_with_what_leaves_them_true,
                                  maps_of_another_size_can_be_mirrored_only};
    Suite *suite = suite_create("targets that move");
    test_add(suite, "augmentation", moves, CN__COUNT(moves), 1);
    return test_run(suite);
}
