/* SPDX-License-Identifier: MIT */
/* fuzz_idx.c: a folder like MNIST's, of IDX files: labels, which come first, images, and names of the classes. */
#include "fuzz_data.h"

FUZZ(idx) {
    fuzz_bytes rest = {data, size}, labels = fuzz_part(&rest), names = fuzz_part(&rest);
    cn_dataset *dataset;
    fuzz_file("train-labels-idx1-ubyte", labels.at, labels.count);
    fuzz_file("train-images-idx3-ubyte", rest.at, rest.count);
    fuzz_file("t10k-labels-idx1-ubyte", labels.at, labels.count);
    fuzz_file("t10k-images-idx3-ubyte", rest.at, rest.count);
    fuzz_file("classes.txt", names.at, names.count);
    for (int split = CN_SPLIT_TRAIN; split <= CN_SPLIT_TEST; split++) {
        fuzz_begin();
        cn_status status = cn_dataset_idx(fuzz_context(), fuzz_directory(), (cn_split)split, &dataset);
        FUZZ_OUTCOME(status, dataset);
        fuzz_at_most(size, 0);
        if (dataset)
            fuzz_dataset(dataset);
        cn_dataset_free(dataset);
        fuzz_end();
    }
    return 0;
}
