/* SPDX-License-Identifier: MIT */
/* fuzz_npz.c: archives of numpy's arrays whose checksums are made right: one array, and a data set. */
#include "checksums.h"
#include "fuzzing.h"

FUZZ_REPAIRS(zip_repair_checksums);

FUZZ(npz) {
    const char *path = fuzz_file("a.npz", data, size);
    cn_tensor *tensor;
    cn_dataset *dataset;
    fuzz_begin();
    cn_status status = cn_tensor_load_npz(fuzz_context(), path, "a", &tensor);
    FUZZ_OUTCOME(status, tensor);
    fuzz_at_most(size, 16 * (size_t)cn_tensor_count(tensor));
    cn_tensor_free(tensor);
    fuzz_end();
    for (int split = CN_SPLIT_TRAIN; split <= CN_SPLIT_ALL; split++) {
        int64_t shape[3] = {0, 0, 0};
        fuzz_begin();
        status = cn_dataset_npz(fuzz_context(), path, (cn_split)split, NULL, &dataset);
        FUZZ_OUTCOME(status, dataset);
        cn_dataset_shape(dataset, shape);
        fuzz_at_most(size, 16 * (size_t)(cn_dataset_count(dataset) * (1 + shape[0] * shape[1] * shape[2])));
        cn_dataset_free(dataset);
        fuzz_end();
    }
    return 0;
}
