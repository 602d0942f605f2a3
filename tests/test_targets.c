/* test_targets.c: targets of all kinds: what goes in comes out, moves as the images move, and is refused where it is
 * not true. */
#include "arrays.h"
#include "testing.h"
#include "base/base.h"
#include "data/data.h"
#include <math.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

enum { COUNT = 12, SIDE = 24, PIXELS = SIDE * SIDE, IGNORED = 255 };

/* Grey pictures of SIDE × SIDE, as bytes and as floats, and as masks of the bytes' values. */
typedef struct fixture {
    cn_context *ctx;
    cn_tensor *bytes, *floats, *masks, *wide_masks; /* uint8, float32, uint8, int64 */
    cn_dataset *set;                                /* of bytes, without a target */
} fixture;

static cn_tensor *tensor_of(cn_context *ctx, cn_dtype dtype, int dims, const int64_t *shape) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(ctx, dtype, dims, shape, &tensor));
    return tensor;
}

static uint8_t value_of(int at) {
    return (uint8_t)(1 + (uint32_t)(at + 1) * 2654435761u % 199);
}

static fixture begin(void) {
    const int64_t pictures[4] = {COUNT, 1, SIDE, SIDE}, maps[3] = {COUNT, SIDE, SIDE};
    fixture f = {.ctx = test_context(2)};
    f.bytes = tensor_of(f.ctx, CN_DTYPE_UINT8, 4, pictures);
    f.floats = tensor_of(f.ctx, CN_DTYPE_FLOAT32, 4, pictures);
    f.masks = tensor_of(f.ctx, CN_DTYPE_UINT8, 3, maps);
    f.wide_masks = tensor_of(f.ctx, CN_DTYPE_INT64, 3, maps);
    for (int i = 0; i < COUNT * PIXELS; i++) {
        uint8_t value = value_of(i);
        ((uint8_t *)cn_tensor_data(f.bytes))[i] = ((uint8_t *)cn_tensor_data(f.masks))[i] = value;
        ((float *)cn_tensor_data(f.floats))[i] = (float)value / 255.0f;
        ((int64_t *)cn_tensor_data(f.wide_masks))[i] = value;
    }
    ck_ok(cn_dataset_memory(f.ctx, f.bytes, NULL, 0, &f.set));
    return f;
}

static void end(fixture *f) {
    cn_dataset_free(f->set);
    cn_tensor_free(f->bytes);
    cn_tensor_free(f->floats);
    cn_tensor_free(f->masks);
    cn_tensor_free(f->wide_masks);
    cn_context_free(f->ctx);
}

static cn_target_options kind(cn_target_kind of) {
    cn_target_options options = CN_TARGET_OPTIONS_INIT;
    options.kind = of;
    return options;
}

static cn_target_options mask_options(void) {
    cn_target_options options = kind(CN_TARGET_MASK);
    options.classes = 200;
    options.ignore_index = IGNORED;
    return options;
}

/* A batch of all images and up to four targets. */
typedef struct drawn {
    cn_tensor *images, *targets[4];
    int count;
} drawn;

static cn_tensor *target_tensor(const cn_dataset *set, cn_context *ctx, int target, int64_t count) {
    cn_target_options o = CN_TARGET_OPTIONS_INIT;
    ck_ok(cn_dataset_target(set, target, &o));
    const int64_t shapes[4][4] = {
        {count}, {count, o.shape[0]}, {count, o.shape[1], o.shape[2]}, {count, o.shape[0], o.shape[1], o.shape[2]}};
    bool classes = o.kind == CN_TARGET_CLASS || o.kind == CN_TARGET_MASK;
    return tensor_of(ctx, classes ? CN_DTYPE_INT64 : CN_DTYPE_FLOAT32, (int)o.kind + 1, shapes[o.kind]);
}

static drawn draw(const cn_dataset *set, cn_context *ctx, int augment, int64_t epoch) {
    int64_t count = cn_dataset_count(set), shape[4] = {count}, indices[64];
    drawn d = {.count = cn_dataset_target_count(set)};
    cn_dataset_shape(set, shape + 1);
    d.images = tensor_of(ctx, CN_DTYPE_FLOAT32, 4, shape);
    for (int t = 0; t < d.count; t++)
        d.targets[t] = target_tensor(set, ctx, t, count);
    for (int64_t i = 0; i < count; i++)
        indices[i] = i;
    ck_ok(cn_dataset_batch_targets(set, count, indices, augment, 3, epoch, d.images, d.count, d.targets));
    return d;
}

static void drop(drawn *d) {
    cn_tensor_free(d->images);
    for (int t = 0; t < d->count; t++)
        cn_tensor_free(d->targets[t]);
}

static const float *floats_of(const cn_tensor *tensor) {
    return cn_tensor_data_const(tensor);
}

static const int64_t *integers_of(const cn_tensor *tensor) {
    return cn_tensor_data_const(tensor);
}

/* ---- what goes in comes out ---- */

START_TEST(all_kinds_come_out_as_they_went_in) {
    fixture f = begin();
    const int64_t n[2] = {COUNT, 3}, colours[4] = {COUNT, 2, 5, 7};
    cn_tensor *labels = tensor_of(f.ctx, CN_DTYPE_INT64, 1, n), *vectors = tensor_of(f.ctx, CN_DTYPE_FLOAT32, 2, n);
    cn_tensor *images = tensor_of(f.ctx, CN_DTYPE_FLOAT32, 4, colours);
    cn_target_options class = kind(CN_TARGET_CLASS), vector = kind(CN_TARGET_VECTOR), image = kind(CN_TARGET_IMAGE);
    cn_target_options mask = mask_options();
    class.classes = COUNT;
    for (int i = 0; i < COUNT * 70; i++)
        ((float *)cn_tensor_data(images))[i] = (float)i;
    for (int i = 0; i < COUNT * 3; i++)
        ((float *)cn_tensor_data(vectors))[i] = (float)-i;
    for (int i = 0; i < COUNT; i++)
        ((int64_t *)cn_tensor_data(labels))[i] = COUNT - 1 - i;
    ((uint8_t *)cn_tensor_data(f.masks))[5] = IGNORED;
    ck_ok(cn_dataset_add_target(f.set, vectors, &vector));
    ck_ok(cn_dataset_add_target(f.set, f.masks, &mask));
    ck_ok(cn_dataset_add_target(f.set, labels, &class));
    ck_ok(cn_dataset_add_target(f.set, images, &image));
    ck_assert_int_eq(cn_dataset_target_count(f.set), 4);
    ck_assert_int_eq(cn_dataset_classes(f.set), 200); /* the mask's, which comes first */
    drawn d = draw(f.set, f.ctx, 0, 0);
    ck_assert(arrays_same_floats(d.targets[0], vectors));
    for (int i = 0; i < COUNT * PIXELS; i++)
        ck_assert_int_eq(integers_of(d.targets[1])[i], i == 5 ? IGNORED : value_of(i));
    ck_assert_mem_eq(cn_tensor_data(d.targets[2]), cn_tensor_data(labels), COUNT * sizeof(int64_t));
    ck_assert(arrays_same_floats(d.targets[3], images));
    drop(&d);
    cn_tensor_free(labels);
    cn_tensor_free(vectors);
    cn_tensor_free(images);
    end(&f);
}
END_TEST

START_TEST(targets_say_what_they_are) {
    fixture f = begin();
    const int64_t n[2] = {COUNT, 4};
    const int swapped[2] = {1, 0};
    cn_target_options points = kind(CN_TARGET_VECTOR), mask = mask_options(), told = CN_TARGET_OPTIONS_INIT;
    cn_tensor *vectors = tensor_of(f.ctx, CN_DTYPE_FLOAT32, 2, n);
    points.vector = CN_VECTOR_POINTS;
    points.mirrored = swapped;
    ck_assert_int_eq(cn_dataset_target_count(f.set), 0);
    ck_assert_int_eq(cn_dataset_classes(f.set), 0);
    ck_assert_ptr_null(cn_dataset_class_name(f.set, 0));
    ck_ok(cn_dataset_add_target(f.set, vectors, &points));
    ck_ok(cn_dataset_add_target(f.set, f.masks, &mask));
    ck_ok(cn_dataset_target(f.set, 0, &told));
    ck_assert(told.kind == CN_TARGET_VECTOR && told.vector == CN_VECTOR_POINTS && told.classes == 0);
    ck_assert(told.shape[0] == 4 && told.shape[1] == 1 && told.shape[2] == 1 && told.mirrored[0] == 1);
    ck_ok(cn_dataset_target(f.set, 1, &told));
    ck_assert(told.kind == CN_TARGET_MASK && told.classes == 200 && told.ignore_index == IGNORED && !told.mirrored);
    ck_assert(told.shape[0] == 1 && told.shape[1] == SIDE && told.shape[2] == SIDE);
    ck_assert_str_eq(cn_dataset_class_name(f.set, 199), "199");
    ck_fails(cn_dataset_target(f.set, 2, &told), CN_ERR_NOT_FOUND, "target 2 of 2");
    ck_fails(cn_dataset_target(f.set, -1, &told), CN_ERR_NOT_FOUND, "target -1");
    ck_ok(cn_dataset_clear_targets(f.set));
    ck_assert_int_eq(cn_dataset_target_count(f.set) + (int)cn_dataset_classes(f.set), 0);
    cn_tensor_free(vectors);
    end(&f);
}
END_TEST

/* A view has the targets of its images; one that is added to a view is in the view's own order. */
START_TEST(views_have_their_images_targets) {
    fixture f = begin();
    const int64_t chosen[4] = {7, 2, 7, 11}, again[3] = {3, 0, 1}, n[2] = {4, 1};
    cn_target_options mask = mask_options(), vector = kind(CN_TARGET_VECTOR);
    cn_tensor *rows = tensor_of(f.ctx, CN_DTYPE_FLOAT32, 2, n);
    cn_dataset *view, *inner;
    for (int i = 0; i < 4; i++)
        ((float *)cn_tensor_data(rows))[i] = (float)i + 0.5f;
    ck_ok(cn_dataset_add_target(f.set, f.wide_masks, &mask));
    ck_ok(cn_dataset_subset(f.set, 4, chosen, &view));
    ck_ok(cn_dataset_add_target(view, rows, &vector));
    ck_ok(cn_dataset_subset(view, 3, again, &inner));
    cn_dataset_free(view);
    ck_assert_int_eq(cn_dataset_target_count(f.set), 1);
    drawn d = draw(inner, f.ctx, 0, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_float_eq(floats_of(d.targets[1])[i], (float)again[i] + 0.5f);
        for (int p = 0; p < PIXELS; p++)
            ck_assert_int_eq(integers_of(d.targets[0])[i * PIXELS + p], value_of((int)chosen[again[i]] * PIXELS + p));
    }
    drop(&d);
    cn_dataset_free(inner);
    cn_tensor_free(rows);
    end(&f);
}
END_TEST

/* ---- augmentation ---- */

static cn_augmentation nearest_moves(cn_padding_mode mode) {
    cn_augmentation a = CN_AUGMENTATION_INIT;
    a.crop_padding = 5;
    a.crop_mode = mode;
    a.horizontal_flip = 0.5f;
    a.rotation = 40.0f;
    return a;
}

/* What is 0 in the moved image came from outside. */
static void expect_moved(const drawn *d, int images_moved) {
    const float *image = floats_of(d->images);
    int outside = 0, moved = 0;
    for (int i = 0; i < COUNT * PIXELS; i++) {
        int value = (int)lroundf(image[i] * 255.0f);
        ck_assert_int_eq(integers_of(d->targets[0])[i], value == 0 ? IGNORED : value);
        ck_assert_int_eq(integers_of(d->targets[1])[i], value == 0 ? IGNORED : value);
        ck_assert_float_eq(floats_of(d->targets[2])[i], image[i]);
        ck_assert_float_eq(floats_of(d->targets[3])[i], image[i]);
        outside += value == 0;
        moved += value != value_of(i);
    }
    ck_assert_int_eq(moved > COUNT * PIXELS / 2, images_moved);
    ck_assert_int_eq(outside > 0, images_moved);
}

static void add_maps(const fixture *f, cn_dataset *set) {
    cn_target_options mask = mask_options(), image = kind(CN_TARGET_IMAGE);
    ck_ok(cn_dataset_add_target(set, f->masks, &mask));
    ck_ok(cn_dataset_add_target(set, f->wide_masks, &mask));
    ck_ok(cn_dataset_add_target(set, f->bytes, &image));
    ck_ok(cn_dataset_add_target(set, f->floats, &image));
}

/* For images of bytes and of floats. */
START_TEST(masks_and_images_move_with_the_images) {
    fixture f = begin();
    const cn_padding_mode modes[3] = {CN_PADDING_ZEROS, CN_PADDING_REPLICATE, CN_PADDING_REFLECT};
    cn_dataset *floats;
    ck_ok(cn_dataset_memory(f.ctx, f.floats, NULL, 0, &floats));
    cn_dataset *const sets[2] = {f.set, floats};
    for (int s = 0; s < 2; s++) {
        add_maps(&f, sets[s]);
        for (int m = 0; m < 3; m++) {
            cn_augmentation moves = nearest_moves(modes[m]);
            ck_ok(cn_dataset_set_augmentation(sets[s], &moves));
            drawn changed = draw(sets[s], f.ctx, 1, m), plain = draw(sets[s], f.ctx, 0, m);
            expect_moved(&changed, 1);
            expect_moved(&plain, 0);
            drop(&changed);
            drop(&plain);
        }
    }
    cn_dataset_free(floats);
    end(&f);
}
END_TEST

/* Bilinear of bytes is cut off, of floats it is not; a mask has the nearest. On one colour, masks end where it does. */
START_TEST(perspective_moves_all_alike) {
    fixture f = begin();
    cn_augmentation bend = CN_AUGMENTATION_INIT;
    int unlike = 0, outside = 0;
    bend.perspective = 1.0f;
    bend.perspective_distortion = 0.6f;
    for (int i = 0; i < COUNT * PIXELS; i++) {
        ((uint8_t *)cn_tensor_data(f.bytes))[i] = i % SIDE < SIDE / 2 ? 200 : 100;
        ((float *)cn_tensor_data(f.floats))[i] = i % SIDE < SIDE / 2 ? 200.0f / 255.0f : 100.0f / 255.0f;
        ((uint8_t *)cn_tensor_data(f.masks))[i] = i % SIDE < SIDE / 2;
        ((int64_t *)cn_tensor_data(f.wide_masks))[i] = i % SIDE < SIDE / 2;
    }
    add_maps(&f, f.set);
    ck_ok(cn_dataset_set_augmentation(f.set, &bend));
    drawn d = draw(f.set, f.ctx, 1, 0);
    for (int i = 0; i < COUNT * PIXELS; i++) {
        float image = floats_of(d.images)[i] * 255.0f;
        int64_t mask = integers_of(d.targets[0])[i];
        ck_assert_int_eq(mask, integers_of(d.targets[1])[i]);
        ck_assert_float_eq(floats_of(d.targets[2])[i] * 255.0f, image);
        ck_assert_float_ge(floats_of(d.targets[3])[i] * 255.0f, image - 0.001f);
        ck_assert_float_le(floats_of(d.targets[3])[i] * 255.0f, image + 1.001f);
        ck_assert_int_eq(mask == IGNORED, image == 0.0f);
        outside += mask == IGNORED;
        unlike += mask != IGNORED && (mask == 1) != (image >= 150.0f);
    }
    ck_assert_int_gt(outside, COUNT * PIXELS / 20);
    ck_assert_int_lt(unlike, COUNT * SIDE); /* of the pixels that lie across the edge, some go the other way */
    drop(&d);
    end(&f);
}
END_TEST

/* The middle of the light within three pixels of (x, y), and the brightest of it. */
static void find_spot(const float *image, float x, float y, double middle[2], float *brightest) {
    int left = (int)lroundf(x) - 3, top = (int)lroundf(y) - 3;
    double sum = 0.0;
    middle[0] = middle[1] = *brightest = 0.0f;
    for (int p = 0; p < 49; p++) {
        int row = top + p / 7, column = left + p % 7;
        float light = row < 0 || row >= SIDE || column < 0 || column >= SIDE ? 0.0f : image[row * SIDE + column];
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
    fixture f = begin();
    const int64_t n[2] = {COUNT, 4};
    cn_target_options points = kind(CN_TARGET_VECTOR);
    cn_tensor *vectors = tensor_of(f.ctx, CN_DTYPE_FLOAT32, 2, n);
    int swapped = 0;
    points.vector = CN_VECTOR_POINTS;
    points.mirrored = mirrored;
    memset(cn_tensor_data(f.bytes), 0, COUNT * PIXELS);
    for (int i = 0; i < COUNT; i++) {
        const int at[4] = {8 - i % 3, 9 + i % 4, 15, 12 + i % 2};
        for (int v = 0; v < 4; v++)
            ((float *)cn_tensor_data(vectors))[4 * i + v] = (float)at[v];
        for (int p = 0; p < 9; p++)
            for (int k = 0; k < 2; k++)
                ((uint8_t *)cn_tensor_data(
                    f.bytes))[i * PIXELS + (at[2 * k + 1] + p / 3 - 1) * SIDE + at[2 * k] + p % 3 - 1] = k ? 255 : 120;
    }
    ck_ok(cn_dataset_add_target(f.set, vectors, &points));
    ck_ok(cn_dataset_set_augmentation(f.set, moves));
    drawn d = draw(f.set, f.ctx, 1, 0);
    for (int i = 0; i < COUNT; i++) {
        const float *point = floats_of(d.targets[0]) + 4 * i;
        float light[2];
        for (int k = 0; k < 2; k++) {
            double middle[2];
            find_spot(floats_of(d.images) + i * PIXELS, point[2 * k], point[2 * k + 1], middle, &light[k]);
            ck_assert_double_eq_tol(point[2 * k], middle[0], tolerance);
            ck_assert_double_eq_tol(point[2 * k + 1], middle[1], tolerance);
        }
        ck_assert_float_eq(fmaxf(light[0], light[1]), 1.0f);
        ck_assert_float_lt(fminf(light[0], light[1]), 0.5f);
        swapped += light[0] > light[1];
    }
    ck_assert_int_eq(swapped > 0, mirrored[0] == 1 && moves->horizontal_flip > 0.0f);
    drop(&d);
    cn_tensor_free(vectors);
    end(&f);
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
    fixture f = begin();
    const int64_t n[2] = {COUNT, 4};
    cn_target_options vector = kind(CN_TARGET_VECTOR);
    cn_tensor *vectors = tensor_of(f.ctx, CN_DTYPE_FLOAT32, 2, n);
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
    end(&f);
}
END_TEST

START_TEST(maps_of_another_size_can_be_mirrored_only) {
    fixture f = begin();
    const int64_t half[3] = {COUNT, 3, 4};
    cn_target_options mask = mask_options();
    cn_tensor *masks = tensor_of(f.ctx, CN_DTYPE_INT64, 3, half);
    cn_augmentation flip = CN_AUGMENTATION_INIT, crop = flip;
    flip.horizontal_flip = 1.0f;
    crop.crop_padding = 1;
    for (int i = 0; i < COUNT * 12; i++)
        ((int64_t *)cn_tensor_data(masks))[i] = i;
    ck_ok(cn_dataset_add_target(f.set, masks, &mask));
    ck_fails(cn_dataset_set_augmentation(f.set, &crop), CN_ERR_ARGUMENT, "24×24, and one is 3×4");
    ck_ok(cn_dataset_set_augmentation(f.set, &flip));
    drawn d = draw(f.set, f.ctx, 1, 0);
    for (int i = 0; i < COUNT * 12; i++)
        ck_assert_int_eq(integers_of(d.targets[0])[i], i - i % 4 + 3 - i % 4);
    drop(&d);
    cn_tensor_free(masks);
    end(&f);
}
END_TEST

/* What an autoencoder is to give: what it was shown, not normalised, without the hole. */
START_TEST(images_can_be_their_own_targets) {
    fixture f = begin();
    const float mean = 0.5f, std = 0.25f;
    cn_target_options image = kind(CN_TARGET_IMAGE), told = CN_TARGET_OPTIONS_INIT;
    cn_augmentation moves = nearest_moves(CN_PADDING_ZEROS);
    int holes = 0;
    moves.cutout = 8;
    ck_ok(cn_dataset_add_target(f.set, NULL, &image));
    ck_ok(cn_dataset_target(f.set, 0, &told));
    ck_assert(told.shape[0] == 1 && told.shape[1] == SIDE && told.shape[2] == SIDE);
    ck_ok(cn_dataset_set_normalization(f.set, 1, &mean, &std));
    ck_ok(cn_dataset_set_augmentation(f.set, &moves));
    drawn d = draw(f.set, f.ctx, 1, 0);
    for (int i = 0; i < COUNT * PIXELS; i++) {
        float shown = floats_of(d.images)[i], wanted = floats_of(d.targets[0])[i];
        bool hole = shown == 0.0f; /* no byte is normalised to that */
        holes += hole;
        ck_assert_float_eq(shown, hole ? 0.0f : (wanted - mean) / std);
    }
    ck_assert_int_ge(holes, COUNT * 16);
    ck_assert_int_le(holes, COUNT * 64);
    drop(&d);
    end(&f);
}
END_TEST

/* ---- a callback ---- */

static int tell(void *user, int64_t index, void *image, void *const *targets) {
    const fixture *f = user;
    memcpy(image, floats_of(f->floats) + index * PIXELS, PIXELS * sizeof(float));
    memcpy(targets[0], integers_of(f->wide_masks) + index * PIXELS, PIXELS * sizeof(int64_t));
    ((float *)targets[1])[0] = (float)index;
    ((float *)targets[1])[1] = (float)index * 2.0f;
    ((float *)targets[1])[2] = -(float)index;
    *(int64_t *)targets[2] = index % 5;
    memcpy(targets[3], floats_of(f->floats) + index * PIXELS, PIXELS * sizeof(float));
    return 0;
}

static cn_dataset_source told_source(fixture *f, cn_target_options targets[4]) {
    cn_dataset_source source = CN_DATASET_SOURCE_INIT;
    const int64_t shapes[4][3] = {{1, SIDE, SIDE}, {3, 1, 1}, {0, 0, 0}, {1, SIDE, SIDE}};
    targets[0] = mask_options();
    targets[1] = kind(CN_TARGET_VECTOR);
    targets[1].vector = CN_VECTOR_INVARIANT;
    targets[2] = kind(CN_TARGET_CLASS);
    targets[2].classes = 5;
    targets[3] = kind(CN_TARGET_IMAGE);
    for (int t = 0; t < 4; t++)
        memcpy(targets[t].shape, shapes[t], sizeof shapes[t]);
    source.count = COUNT;
    source.channels = 1;
    source.height = source.width = SIDE;
    source.dtype = CN_DTYPE_FLOAT32;
    source.targets = targets;
    source.target_count = 4;
    source.fetch_sample = tell;
    source.user = f;
    return source;
}

START_TEST(a_callback_gives_floats_and_all_kinds_of_targets) {
    fixture f = begin();
    cn_target_options targets[4], image = kind(CN_TARGET_IMAGE), mask = mask_options();
    cn_dataset_source source = told_source(&f, targets);
    cn_augmentation moves = nearest_moves(CN_PADDING_REFLECT);
    cn_dataset *set, *stored;
    ck_ok(cn_dataset_callback(f.ctx, &source, &set));
    ck_ok(cn_dataset_memory(f.ctx, f.floats, NULL, 0, &stored));
    ck_ok(cn_dataset_add_target(stored, f.masks, &mask));
    ck_ok(cn_dataset_add_target(stored, f.bytes, &image));
    ck_ok(cn_dataset_set_augmentation(set, &moves));
    ck_ok(cn_dataset_set_augmentation(stored, &moves));
    for (int augment = 0; augment < 2; augment++) {
        drawn ours = draw(set, f.ctx, augment, 1), theirs = draw(stored, f.ctx, augment, 1);
        ck_assert(arrays_same_floats(ours.images, theirs.images));
        ck_assert_mem_eq(cn_tensor_data(ours.targets[0]), cn_tensor_data(theirs.targets[0]),
                         COUNT * PIXELS * sizeof(int64_t));
        ck_assert(arrays_same_floats(ours.targets[3], theirs.targets[1]));
        for (int i = 0; i < COUNT; i++) {
            ck_assert_float_eq(floats_of(ours.targets[1])[3 * i + 1], (float)(2 * i));
            ck_assert_int_eq(integers_of(ours.targets[2])[i], i % 5);
        }
        drop(&ours);
        drop(&theirs);
    }
    cn_dataset_free(set);
    cn_dataset_free(stored);
    end(&f);
}
END_TEST

START_TEST(wrong_values_of_a_callback_are_named) {
    fixture f = begin();
    cn_target_options targets[4];
    cn_dataset_source source = told_source(&f, targets);
    const int64_t shape[4] = {1, 1, SIDE, SIDE}, index = 2;
    cn_tensor *image = tensor_of(f.ctx, CN_DTYPE_FLOAT32, 4, shape), *mask, *whole;
    cn_dataset *set;
    ck_ok(cn_dataset_callback(f.ctx, &source, &set));
    mask = target_tensor(set, f.ctx, 0, 1);
    whole = target_tensor(set, f.ctx, 3, 1);
    cn_tensor *const wanted[4] = {mask, NULL, NULL, whole};
    ((int64_t *)cn_tensor_data(f.wide_masks))[2 * PIXELS + SIDE + 3] = 200;
    ck_fails(cn_dataset_batch_targets(set, 1, &index, 0, 0, 0, image, 4, wanted), CN_ERR_DATA,
             "image 2: row 1, column 3 of its mask is 200, wanted 0 to 199 or 255");
    ((int64_t *)cn_tensor_data(f.wide_masks))[2 * PIXELS + SIDE + 3] = IGNORED;
    ck_ok(cn_dataset_batch_targets(set, 1, &index, 0, 0, 0, image, 4, wanted));
    ((float *)cn_tensor_data(f.floats))[2 * PIXELS + 5] = NAN;
    ck_fails(cn_dataset_batch(set, 1, &index, 0, 0, 0, image, mask), CN_ERR_DATA,
             "image 2, channel 0, row 0, column 5 is");
    cn_dataset_free(set);
    cn_tensor_free(image);
    cn_tensor_free(mask);
    cn_tensor_free(whole);
    end(&f);
}
END_TEST

START_TEST(wrong_sources_are_refused) {
    fixture f = begin();
    cn_target_options targets[4];
    cn_dataset_source source = told_source(&f, targets);
    cn_dataset *set;
    source.classes = 3;
    ck_fails(cn_dataset_callback(f.ctx, &source, &set), CN_ERR_ARGUMENT, "classes is 3");
    source.classes = 0;
    source.target_count = -1;
    ck_fails(cn_dataset_callback(f.ctx, &source, &set), CN_ERR_ARGUMENT, "target_count is -1");
    source.target_count = 4;
    targets[3].shape[1] = 0;
    ck_fails(cn_dataset_callback(f.ctx, &source, &set), CN_ERR_SHAPE, "height is 0");
    targets[3].size = 7;
    ck_fails(cn_dataset_callback(f.ctx, &source, &set), CN_ERR_ARGUMENT, "its size member is 7");
    source.targets = NULL;
    ck_fails(cn_dataset_callback(f.ctx, &source, &set), CN_ERR_ARGUMENT, "targets is NULL");
    end(&f);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(wrong_descriptions_are_refused) {
    fixture f = begin();
    const int64_t n[2] = {COUNT, 3};
    const int lonely[2] = {1, 1};
    cn_tensor *vectors = tensor_of(f.ctx, CN_DTYPE_FLOAT32, 2, n);
    cn_target_options o = mask_options();
    o.ignore_index = 199;
    ck_fails(cn_dataset_add_target(f.set, f.masks, &o), CN_ERR_ARGUMENT, "ignore_index is 199");
    o = mask_options(), o.classes = 0;
    ck_fails(cn_dataset_add_target(f.set, f.masks, &o), CN_ERR_ARGUMENT, "classes is 0");
    o = mask_options(), o.vector = CN_VECTOR_INVARIANT;
    ck_fails(cn_dataset_add_target(f.set, f.masks, &o), CN_ERR_ARGUMENT, "kind is CN_TARGET_MASK");
    o = mask_options(), o.shape[0] = 1, o.shape[1] = o.shape[2] = 5;
    ck_fails(cn_dataset_add_target(f.set, f.masks, &o), CN_ERR_SHAPE, "shape says [1, 5, 5]");
    o = kind(CN_TARGET_IMAGE), o.classes = 4;
    ck_fails(cn_dataset_add_target(f.set, f.bytes, &o), CN_ERR_ARGUMENT, "images have none");
    o = kind((cn_target_kind)4);
    ck_fails(cn_dataset_add_target(f.set, f.bytes, &o), CN_ERR_ARGUMENT, "kind is 4");
    o = kind(CN_TARGET_VECTOR);
    ck_fails(cn_dataset_add_target(f.set, NULL, &o), CN_ERR_ARGUMENT, "targets is NULL");
    o.vector = CN_VECTOR_POINTS;
    ck_fails(cn_dataset_add_target(f.set, vectors, &o), CN_ERR_SHAPE, "there are 3 numbers");
    o.vector = (cn_vector_kind)3;
    ck_fails(cn_dataset_add_target(f.set, vectors, &o), CN_ERR_ARGUMENT, "vector is 3");
    o.vector = CN_VECTOR_UNKNOWN, o.mirrored = lonely;
    ck_fails(cn_dataset_add_target(f.set, vectors, &o), CN_ERR_ARGUMENT, "mirrored is for CN_VECTOR_POINTS");
    ck_assert_int_eq(cn_dataset_target_count(f.set), 0);
    cn_tensor_free(vectors);
    const int64_t four[2] = {COUNT, 4};
    vectors = tensor_of(f.ctx, CN_DTYPE_FLOAT32, 2, four);
    o.vector = CN_VECTOR_POINTS;
    ck_fails(cn_dataset_add_target(f.set, vectors, &o), CN_ERR_ARGUMENT, "mirrored[0] is 1");
    cn_tensor_free(vectors);
    end(&f);
}
END_TEST

START_TEST(wrong_tensors_are_refused) {
    fixture f = begin();
    const int64_t few[2] = {COUNT - 1, 3}, n[2] = {COUNT, 3};
    cn_tensor *short_one = tensor_of(f.ctx, CN_DTYPE_FLOAT32, 2, few),
              *vectors = tensor_of(f.ctx, CN_DTYPE_FLOAT32, 2, n);
    cn_target_options vector = kind(CN_TARGET_VECTOR), mask = mask_options(), class = kind(CN_TARGET_CLASS);
    ck_fails(cn_dataset_add_target(f.set, short_one, &vector), CN_ERR_SHAPE, "float32 [11, 3], wanted float32 [N, K]");
    ck_fails(cn_dataset_add_target(f.set, f.floats, &mask), CN_ERR_SHAPE, "wanted uint8 or int64 [N, H, W]");
    ck_fails(cn_dataset_add_target(f.set, vectors, &class), CN_ERR_SHAPE, "wanted int64 [N] with N = 12 for classes");
    ((float *)cn_tensor_data(vectors))[7] = INFINITY;
    ck_fails(cn_dataset_add_target(f.set, vectors, &vector), CN_ERR_DATA,
             "target 2, channel 1, row 0, column 0 is inf");
    ((uint8_t *)cn_tensor_data(f.masks))[PIXELS + SIDE + 2] = 200;
    ck_fails(cn_dataset_add_target(f.set, f.masks, &mask), CN_ERR_DATA,
             "mask 1, row 1, column 2 is 200, wanted 0 to 199 or 255");
    ck_assert_int_eq(cn_dataset_target_count(f.set), 0);
    cn_tensor_free(short_one);
    cn_tensor_free(vectors);
    end(&f);
}
END_TEST

START_TEST(batches_want_tensors_of_the_targets_kinds) {
    fixture f = begin();
    const int64_t shape[4] = {1, 1, SIDE, SIDE}, index = 0;
    cn_target_options mask = mask_options();
    cn_tensor *image = tensor_of(f.ctx, CN_DTYPE_FLOAT32, 4, shape),
              *label = tensor_of(f.ctx, CN_DTYPE_INT64, 1, shape);
    cn_tensor *pixels = tensor_of(f.ctx, CN_DTYPE_UINT8, 4, shape);
    cn_tensor *const two[2] = {label, label};
    int64_t number;
    ck_fails(cn_dataset_batch(f.set, 1, &index, 0, 0, 0, image, label), CN_ERR_ARGUMENT, "1 targets wanted");
    ck_fails(cn_dataset_label(f.set, 0, &number), CN_ERR_STATE, "they have no targets");
    ck_ok(cn_dataset_add_target(f.set, f.masks, &mask));
    ck_fails(cn_dataset_batch(f.set, 1, &index, 0, 0, 0, image, label), CN_ERR_SHAPE,
             "target 0 is int64 [1], wanted int64 [1, 24, 24]");
    ck_fails(cn_dataset_batch_targets(f.set, 1, &index, 0, 0, 0, image, 2, two), CN_ERR_ARGUMENT, "the data set has 1");
    ck_fails(cn_dataset_batch_targets(f.set, 1, &index, 0, 0, 0, image, 1, NULL), CN_ERR_ARGUMENT, "targets is NULL");
    ck_fails(cn_dataset_image(f.set, 0, pixels, &number), CN_ERR_STATE, "their first target is no class");
    ck_ok(cn_dataset_image(f.set, 0, pixels, NULL));
    cn_tensor_free(image);
    cn_tensor_free(label);
    cn_tensor_free(pixels);
    end(&f);
}
END_TEST

/* ---- the suite ---- */

int main(void) {
    const TTest *const kinds[] = {all_kinds_come_out_as_they_went_in, targets_say_what_they_are,
                                  views_have_their_images_targets, images_can_be_their_own_targets};
    const TTest *const moves[] = {masks_and_images_move_with_the_images, perspective_moves_all_alike,
                                  points_go_where_the_pixels_go, vectors_go_only_with_what_leaves_them_true,
                                  maps_of_another_size_can_be_mirrored_only};
    const TTest *const callbacks[] = {a_callback_gives_floats_and_all_kinds_of_targets,
                                      wrong_values_of_a_callback_are_named, wrong_sources_are_refused};
    const TTest *const refused[] = {wrong_descriptions_are_refused, wrong_tensors_are_refused,
                                    batches_want_tensors_of_the_targets_kinds};
    Suite *suite = suite_create("targets");
    test_add(suite, "kinds", kinds, CN__COUNT(kinds), 1);
    test_add(suite, "augmentation", moves, CN__COUNT(moves), 1);
    test_add(suite, "callbacks", callbacks, CN__COUNT(callbacks), 1);
    test_add(suite, "refused", refused, CN__COUNT(refused), 1);
    return test_run(suite);
}
