/* SPDX-License-Identifier: MIT */
/* run_checkpoint.c: a run that can go on: all that it is, in a file that is written again and again. */
#include "run.h"

/* Beside the trainer's own: the model that is kept, and the last batch of an epoch that is not over, as the trainer told
 * of it; what is best and what is logged follows from the history. */
static const char *const names[] = {"kept", "part"};
enum { TENSORS = COUNT(names) };

/* Saves or loads. */
static cn_status exchange(run *r, bool load) {
    cn_tensor *part;
    int64_t words = sizeof r->part / sizeof(int64_t);
    cn_status status = cn_tensor_borrow(r->context, CN_DTYPE_INT64, 1, &words, &r->part, &part);
    if (status != CN_OK)
        return status;
    cn_tensor *const tensors[TENSORS] = {r->keeper.copy, part};
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    checkpoint.trainer = r->trainer;
    checkpoint.tensor_count = TENSORS;
    checkpoint.names = names;
    checkpoint.tensors = tensors;
    status = load ? cn_checkpoint_load(&checkpoint, r->checkpoint_path)
                  : cn_checkpoint_save(&checkpoint, r->checkpoint_path);
    cn_tensor_free(part);
    return status;
}

void run_save(run *r) {
    if (!r->checkpoint_path || r->checkpointed)
        return;
    r->checkpointed = exchange(r, false) == CN_OK;
    if (!r->checkpointed && !r->checkpoint_failed) {
        progress_wipe(&r->progress);
        complain_file("save the run as", r->checkpoint_path, library_error());
    }
    r->checkpoint_failed = !r->checkpointed;
}

bool run_resume(run *r) {
    if (exchange(r, true) != CN_OK) {
        complain_file("go on with", r->checkpoint_path, library_error());
        return false;
    }
    r->images_before = run_images(r);
    r->resumed = r->checkpointed = true;
    return true;
}
