/* SPDX-License-Identifier: MIT */
/* fuzz_data.h: what the fuzzers of data sets share. */
#ifndef FUZZ_DATA_H
#define FUZZ_DATA_H

#include "fuzzing.h"

/* A data set that could be opened has images, names and labels. */
static inline void fuzz_dataset(cn_dataset *dataset) {
    int64_t shape[3], count = cn_dataset_count(dataset), label = 0;
    cn_tensor *image;
    cn_dataset_shape(dataset, shape);
    FUZZ_EXPECT(count > 0 && shape[0] > 0 && shape[1] > 0 && shape[2] > 0);
    for (int64_t k = 0; k < cn_dataset_classes(dataset); k++)
        FUZZ_EXPECT(strlen(cn_dataset_class_name(dataset, k)) < 1 << 20);
    FUZZ_EXPECT(cn_tensor_new(fuzz_context(), CN_DTYPE_UINT8, 4, (int64_t[]){1, shape[0], shape[1], shape[2]},
                              &image) == CN_OK);
    if (cn_dataset_image(dataset, count - 1, image, &label) == CN_OK)
        FUZZ_EXPECT(label >= 0 && label < cn_dataset_classes(dataset));
    cn_tensor_free(image);
}

#endif
