/* SPDX-License-Identifier: MIT */
/* fuzz_history.c: a history.csv that convnet-compare takes up again. */
#include "../examples/programs/common/outputs.h"
#include "fuzzing.h"

FUZZ(history) {
    enum { MOST = 8 };
    cn_epoch_info epochs[MOST];
    const char *path = fuzz_file("history.csv", data, size);
    int count = epoch_log_read(path, MOST, epochs);
    FUZZ_EXPECT(count >= 0 && count <= MOST);
    for (int i = 0; i < count; i++)
        FUZZ_EXPECT(epochs[i].epoch == i + 1 && epochs[i].metric == CN_METRIC_ACCURACY);
    return 0;
}
