/* SPDX-License-Identifier: MIT */
/* fuzz_npy.c: numpy's arrays, as a tensor and as the images of a data set. */
#include "fuzzing.h"

FUZZ(npy) {
    const char *path = fuzz_file("a.npy", data, size);
    cn_tensor *tensor;
    cn_dataset *dataset;
    fuzz_begin();
    cn_status status = cn_tensor_load_npy(fuzz_context(), path, &tensor);
    FUZZ_OUTCOME(status, tensor);
    fuzz_at_most(size, 0);
    if (tensor) {
        const char *again = fuzz_path("again.npy");
        cn_tensor *same;
        FUZZ_EXPECT(cn_tensor_save_npy(tensor, again) == CN_OK);
        FUZZ_EXPECT(cn_tensor_load_npy(fuzz_context(), again, &same) == CN_OK);
        FUZZ_EXPECT(cn_tensor_count(same) == cn_tensor_count(tensor));
        cn_tensor_free(same);
    }
    cn_tensor_free(tensor);
    fuzz_end();
    fuzz_begin();
    status = cn_dataset_npy(fuzz_context(), path, NULL, NULL, &dataset);
    FUZZ_OUTCOME(status, dataset);
    fuzz_at_most(size, 0);
    cn_dataset_free(dataset);
    fuzz_end();
    return 0;
}
