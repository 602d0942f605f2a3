/* SPDX-License-Identifier: MIT */
/* fuzz_gzip.c: a gzip file of IDX images whose checksum is made right; there is a label for one image. */
#include "checksums.h"
#include "fuzz_data.h"

FUZZ_REPAIRS(gzip_repair_checksums);

FUZZ(gzip) {
    static const uint8_t label[] = {0, 0, 8, 1, 0, 0, 0, 1, 3};
    const char *labels = fuzz_file("labels", label, sizeof label), *images = fuzz_file("images", data, size);
    cn_dataset *dataset;
    int64_t shape[3] = {0, 0, 0};
    fuzz_begin();
    cn_status status = cn_dataset_idx_files(fuzz_context(), images, labels, &dataset);
    FUZZ_OUTCOME(status, dataset);
    cn_dataset_shape(dataset, shape);
    fuzz_at_most(size, 2 * (size_t)(shape[0] * shape[1] * shape[2]));
    if (dataset)
        fuzz_dataset(dataset);
    cn_dataset_free(dataset);
    fuzz_end();
    return 0;
}
