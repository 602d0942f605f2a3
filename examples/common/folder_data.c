/* folder_data.c: the training and the test part of a folder of pictures. */
#include "common.h"
#include <sys/stat.h>

enum { SEED = 1, MAX_PATH = 4096 };

static bool subfolder(const char *directory, const char *name, char *path, size_t size) {
    struct stat status;
    int length = snprintf(path, size, "%s/%s", directory, name);
    return length > 0 && (size_t)length < size && stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Labels in the set's order, to be freed; NULL: there is no memory. */
static int64_t *read_labels(cn_context *context, const cn_dataset *dataset) {
    int64_t shape[4] = {1, 0, 0, 0}, count = cn_dataset_count(dataset);
    int64_t *labels = malloc((size_t)count * sizeof *labels);
    cn_tensor *image = NULL;
    cn_dataset_shape(dataset, shape + 1);
    bool good = labels && cn_tensor_new(context, CN_DTYPE_UINT8, 4, shape, &image) == CN_OK;
    for (int64_t i = 0; good && i < count; i++)
        good = cn_dataset_image(dataset, i, image, &labels[i]) == CN_OK;
    cn_tensor_free(image);
    if (!good) {
        free(labels);
        return NULL;
    }
    return labels;
}

/* The first four fifths of each class, or the last: of a class of one, that one is for training. */
static cn_status take_part(const cn_dataset *all, const int64_t *labels, cn_split split, cn_dataset **part) {
    int classes = cn_dataset_classes(all);
    int64_t count = cn_dataset_count(all), chosen = 0;
    int64_t *total = calloc((size_t)classes, sizeof *total), *seen = calloc((size_t)classes, sizeof *seen);
    int64_t *indices = malloc((size_t)count * sizeof *indices);
    bool memory = total && seen && indices;
    cn_status status = CN_ERR_MEMORY;
    for (int64_t i = 0; memory && i < count; i++)
        total[labels[i]]++;
    for (int64_t i = 0; memory && i < count; i++) {
        bool train = seen[labels[i]]++ < (4 * total[labels[i]] + 2) / 5;
        if (train == (split == CN_SPLIT_TRAIN))
            indices[chosen++] = i;
    }
    if (memory && chosen == 0)
        status = CN_ERR_DATA;
    else if (memory)
        status = cn_dataset_subset(all, chosen, indices, part);
    free(indices);
    free(seen);
    free(total);
    return status;
}

static cn_status take_parts(const cn_dataset *all, const int64_t *labels, cn_dataset **train, cn_dataset **test) {
    cn_status status = train ? take_part(all, labels, CN_SPLIT_TRAIN, train) : CN_OK;
    return status == CN_OK && test ? take_part(all, labels, CN_SPLIT_TEST, test) : status;
}

/* One folder for both: each class is shuffled, always alike, and cut. */
static cn_status split_folder(cn_context *context, const data_spec *spec, const cn_folder_options *options,
                              cn_dataset **train, cn_dataset **test, const char **why) {
    cn_dataset *all = NULL, *shuffled = NULL;
    int64_t *labels = NULL;
    cn_status status = cn_dataset_folder(context, spec->directory, options, &all);
    if (status == CN_OK)
        status = cn_dataset_shuffled(all, SEED, &shuffled);
    if (status == CN_OK) {
        labels = read_labels(context, shuffled);
        status = labels ? take_parts(shuffled, labels, train, test) : CN_ERR_MEMORY;
        *why =
            status == CN_ERR_DATA ? "no class has pictures enough to leave a fifth of them" : cn_status_string(status);
    }
    free(labels);
    cn_dataset_free(shuffled);
    cn_dataset_free(all);
    return status;
}

cn_status folder_open(cn_context *context, const data_spec *spec, cn_dataset **train, cn_dataset **test,
                      const char **why) {
    char train_path[MAX_PATH], test_path[MAX_PATH];
    cn_folder_options options = CN_FOLDER_OPTIONS_INIT;
    options.channels = (int)spec->shape[0];
    options.height = (int)spec->shape[1];
    options.width = (int)spec->shape[2];
    if (!subfolder(spec->directory, "train", train_path, sizeof train_path) ||
        (!subfolder(spec->directory, "test", test_path, sizeof test_path) &&
         !subfolder(spec->directory, "val", test_path, sizeof test_path)))
        return split_folder(context, spec, &options, train, test, why);
    cn_status status = train ? cn_dataset_folder(context, train_path, &options, train) : CN_OK;
    return status == CN_OK && test ? cn_dataset_folder(context, test_path, &options, test) : status;
}
