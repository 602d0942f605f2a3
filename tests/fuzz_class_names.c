/* SPDX-License-Identifier: MIT */
/* fuzz_class_names.c: a file of class names, for a data set of as many classes as the first byte says. */
#include "data/dataset.h"
#include "fuzz_data.h"

FUZZ(class_names) {
    fuzz_bytes rest = {data, size};
    int64_t last = fuzz_byte(&rest);
    cn_tensor *images, *labels;
    cn_dataset *dataset;
    FUZZ_EXPECT(cn_tensor_new(fuzz_context(), CN_DTYPE_UINT8, 4, (int64_t[]){1, 1, 1, 1}, &images) == CN_OK);
    FUZZ_EXPECT(cn_tensor_borrow(fuzz_context(), CN_DTYPE_INT64, 1, (int64_t[]){1}, &last, &labels) == CN_OK);
    FUZZ_EXPECT(cn_dataset_memory(fuzz_context(), images, labels, last + 1, &dataset) == CN_OK);
    fuzz_file("names.txt", rest.at, rest.count);
    fuzz_begin();
    cn_status status = cn__class_names_read(dataset, fuzz_directory(), "names.txt");
    FUZZ_EXPECT(status == CN_OK || (status != CN_ERR_MEMORY && strlen(cn_last_error()) > 0));
    fuzz_at_most(size, 0);
    fuzz_dataset(dataset);
    cn_dataset_free(dataset);
    cn_tensor_free(labels);
    cn_tensor_free(images);
    return 0;
}
