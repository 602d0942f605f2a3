/* SPDX-License-Identifier: MIT */
/* fuzz_npz.c: archives of numpy's arrays whose checksums are made right: one array, and a data set. */
#include "checksums.h"
#include "fuzzing.h"

FUZZ_REPAIRS(zip_repair_checksums);

FUZZ(npz) {
    const char *path = fuzz_file("a.npz", data, size);
    cn_tensor *tensor;
    cn_dataset *dataset;
    cn_target_options targets = CN_TARGET_OPTIONS_INIT;
    fuzz_begin();
    cn_status status = cn_tensor_load_npz(fuzz_context(), path, "a", &tensor);
    FUZZ_OUTCOME(status, tensor);
    fuzz_at_most(size, 16 * (size_t)cn_tensor_count(tensor));
    cn_tensor_free(tensor);
    fuzz_end();
    /* Where they are counted, a label is as many names as it is large. */
    targets.kind = size % 2 ? CN_TARGET_MASK : CN_TARGET_CLASS;
    targets.classes = 1000;
    for (int split = CN_SPLIT_TRAIN; split <= CN_SPLIT_VALIDATION; split++) {
        int64_t shape[3] = {0, 0, 0};
        fuzz_begin();
        status = cn_dataset_npz(fuzz_context(), path, (cn_split)split, &targets, &dataset);
        FUZZ_OUTCOME(status, dataset);
        cn_dataset_shape(dataset, shape);
        fuzz_at_most(size, 16 * (size_t)(cn_dataset_count(dataset) * (1 + shape[0] * shape[1] * shape[2])));
        cn_dataset_free(dataset);
        fuzz_end();
    }
    return 0;
}
