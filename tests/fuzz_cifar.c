/* SPDX-License-Identifier: MIT */
/* fuzz_cifar.c: the files of CIFAR-10 and CIFAR-100: which of them, how many bytes, the names of classes, and bytes that are
 * repeated as often as there is room. */
#include "fuzz_data.h"

enum { RECORD = 3073, MOST = 3 * (RECORD + 1) };

static void write_records(const char *name, size_t bytes, fuzz_bytes pattern) {
    uint8_t records[MOST];
    for (size_t i = 0; i < bytes; i++)
        records[i] = pattern.count ? pattern.at[i % pattern.count] : 0;
    fuzz_file(name, records, bytes);
}

FUZZ(cifar) {
    static const char *const files[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                                        "data_batch_5.bin", "test_batch.bin",   "train.bin",        "test.bin"};
    static const char *const texts[] = {"batches.meta.txt", "fine_label_names.txt", "coarse_label_names.txt"};
    fuzz_bytes rest = {data, size};
    unsigned which = fuzz_byte(&rest);
    size_t bytes = (which >> 4) % 4 * (RECORD + which % 2) + (fuzz_byte(&rest) + 4u) / 255;
    fuzz_bytes names = fuzz_part(&rest);
    cn_dataset *dataset;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        write_records(files[i], bytes < MOST ? bytes : MOST, rest);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        fuzz_file(texts[i], names.at, names.count);
    fuzz_begin();
    cn_status status =
        which % 2 ? cn_dataset_cifar100(fuzz_context(), fuzz_directory(), which & 2 ? CN_SPLIT_TEST : CN_SPLIT_TRAIN,
                                        which & 4 ? 1 : 0, &dataset)
                  : cn_dataset_cifar10(fuzz_context(), fuzz_directory(), which & 2 ? CN_SPLIT_TEST : CN_SPLIT_TRAIN,
                                       &dataset);
    FUZZ_OUTCOME(status, dataset);
    fuzz_at_most(5 * bytes, 0);
    if (dataset)
        fuzz_dataset(dataset);
    cn_dataset_free(dataset);
    fuzz_end();
    return 0;
}
