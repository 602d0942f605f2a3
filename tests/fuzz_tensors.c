/* SPDX-License-Identifier: MIT */
/* fuzz_tensors.c: collections of tensors, safetensors and .npz, and what loads into files and back. */
#include "checksums.h"
#include "fuzzing.h"

FUZZ_REPAIRS(zip_repair_checksums);

/* What has been loaded comes back out of a file of that kind, number by number. */
static void check_round_trip(const cn_tensors *tensors, const char *kind, const cn_save_options *options) {
    cn_tensor *file;
    cn_tensors *again;
    if (cn_tensors_save_memory(tensors, kind, options, &file) != CN_OK)
        return; /* a header that would be too long */
    FUZZ_EXPECT(cn_tensors_load_memory(fuzz_context(), cn_tensor_data(file), (size_t)cn_tensor_count(file), &again) ==
                CN_OK);
    FUZZ_EXPECT(cn_tensors_count(again) == cn_tensors_count(tensors));
    for (int64_t i = 0; i < cn_tensors_count(tensors); i++) {
        const char *name = cn_tensors_name(tensors, i);
        const cn_tensor *was, *is;
        FUZZ_EXPECT(strcmp(cn_tensors_name(again, i), name) == 0);
        FUZZ_EXPECT(cn_tensors_get_const(tensors, name, &was) == CN_OK);
        FUZZ_EXPECT(cn_tensors_get_const(again, name, &is) == CN_OK);
        FUZZ_EXPECT(cn_tensor_count(was) == cn_tensor_count(is));
        FUZZ_EXPECT(memcmp(cn_tensor_data_const(was), cn_tensor_data_const(is), (size_t)cn_tensor_count(was)) == 0);
    }
    cn_tensors_free(again);
    cn_tensor_free(file);
}

/* What the tensors hold. */
static size_t count_bytes(const cn_tensors *tensors) {
    size_t bytes = 0;
    for (int64_t i = 0; i < cn_tensors_count(tensors); i++) {
        const cn_tensor *tensor;
        FUZZ_EXPECT(cn_tensors_get_const(tensors, cn_tensors_name(tensors, i), &tensor) == CN_OK);
        bytes += 8 * (size_t)cn_tensor_count(tensor);
    }
    return bytes;
}

FUZZ(tensors) {
    cn_save_options deflated = CN_SAVE_OPTIONS_INIT;
    cn_tensors *tensors;
    deflated.deflate = 1;
    fuzz_begin();
    cn_status status = cn_tensors_load_memory(fuzz_context(), data, size, &tensors);
    FUZZ_OUTCOME(status, tensors);
    fuzz_at_most(size, 2 * count_bytes(tensors)); /* which may be packed a thousandfold */
    if (tensors) {
        check_round_trip(tensors, ".safetensors", NULL);
        check_round_trip(tensors, ".npz", NULL);
        check_round_trip(tensors, ".npz", &deflated);
    }
    cn_tensors_free(tensors);
    fuzz_end();
    return 0;
}
