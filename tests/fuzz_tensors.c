/* fuzz_tensors.c: hands arbitrary bytes to cn_tensors_load_memory, and what loads to cn_tensors_save_memory and back, for
 * libFuzzer (`make fuzz`); test_tensors_damage.c replays tests/corpus/tensors through it. */
#include "fuzz_context.h"
#include <string.h>

/* What has been loaded comes back out of a file of that kind, number by number. */
static void check_round_trip(const cn_tensors *tensors, const char *kind) {
    cn_tensor *file;
    cn_tensors *again;
    if (cn_tensors_save_memory(tensors, kind, NULL, &file) != CN_OK)
        return; /* a header that would be too long */
    if (cn_tensors_load_memory(fuzz_context(), cn_tensor_data(file), (size_t)cn_tensor_count(file), &again) != CN_OK ||
        cn_tensors_count(again) != cn_tensors_count(tensors))
        abort();
    for (int64_t i = 0; i < cn_tensors_count(tensors); i++) {
        const char *name = cn_tensors_name(tensors, i);
        const cn_tensor *was, *is;
        if (strcmp(cn_tensors_name(again, i), name) != 0 || cn_tensors_get_const(tensors, name, &was) != CN_OK ||
            cn_tensors_get_const(again, name, &is) != CN_OK || cn_tensor_count(was) != cn_tensor_count(is) ||
            memcmp(cn_tensor_data_const(was), cn_tensor_data_const(is), (size_t)cn_tensor_count(was)) != 0)
            abort();
    }
    cn_tensors_free(again);
    cn_tensor_free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cn_tensors *tensors;
    cn_status status = cn_tensors_load_memory(fuzz_context(), data, size, &tensors);
    if ((status == CN_OK) != (tensors != NULL) || (status != CN_OK && strlen(cn_last_error()) == 0))
        abort();
    if (status == CN_OK) {
        check_round_trip(tensors, ".safetensors");
        check_round_trip(tensors, ".npz");
    }
    cn_tensors_free(tensors);
    return 0;
}
