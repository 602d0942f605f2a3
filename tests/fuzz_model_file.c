/* SPDX-License-Identifier: MIT */
/* fuzz_model_file.c: model files. What loads is used: it is as good as a model that was built by hand, and comes back out of
 * a file of its own. (A header that is not written as this library writes it needs no checksum.) */
#include "fuzz_model.h"

FUZZ(model_file) {
    fuzz_model(data, size);
    return 0;
}
