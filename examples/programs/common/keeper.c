/* SPDX-License-Identifier: MIT */
/* keeper.c: the model that a run leaves: in its file after every epoch, so that a run that is killed loses one at most,
 * and as a copy in memory, to which a run that goes wrong, or keeps its best epoch, goes back. */
#include "run.h"
#include <string.h>
#include <unistd.h>

/* ---- the copy ---- */

bool keeper_init(keeper *k, cn_model *model, const char *path, bool best) {
    *k = (keeper){.model = model, .path = path, .best = best};
    bool good = cn_model_save_memory(model, &k->copy) == CN_OK;
    if (!good)
        complain_library("cannot keep a copy of the model");
    return good;
}

void keeper_free(keeper *k) {
    cn_tensor_free(k->copy);
    free(k->left);
}

bool keeper_prefers(const keeper *k, const cn_epoch_info *epoch) {
    return !k->best || k->kept.epoch == 0 || epoch_is_better(epoch, &k->kept);
}

void keeper_epoch(keeper *k, const cn_epoch_info *epoch) {
    cn_tensor *copy;
    if (!keeper_prefers(k, epoch))
        return;
    if (cn_model_save_memory(k->model, &copy) != CN_OK) {
        complain_library("cannot keep a copy of the model");
        return;
    }
    cn_tensor_free(k->copy);
    k->copy = copy;
    k->kept = *epoch;
    if (!k->path)
        return;
    k->saved = cn_model_save(k->model, k->path) == CN_OK;
    if (!k->saved && !k->failed) {
        complain_file("save", k->path, library_error());
        complain("the training goes on, and saving is tried again");
    }
    k->failed = !k->saved;
}

static void go_back(keeper *k) {
    size_t bytes = (size_t)cn_tensor_count(k->copy);
    if (cn_model_load_tensors_memory(k->model, cn_tensor_data(k->copy), bytes, NULL) != CN_OK)
        complain_library("cannot go back to the model that was kept");
}

/* ---- the end ---- */

/* The file cannot be had: beside it, or else where temporary files go. */
static void save_elsewhere(keeper *k) {
    const char *folder = getenv("TMPDIR");
    char *beside = NULL, *away = path_join(folder && *folder ? folder : "/tmp", "convnet-train");
    const char *const stems[] = {k->path, away};
    for (size_t i = 0; i < COUNT(stems); i++) {
        free(beside);
        beside = stems[i] ? output_unique(stems[i]) : NULL;
        if (beside && cn_model_save(k->model, beside) == CN_OK) {
            complain("the model is in '%s' instead", beside);
            k->left = strdup(beside);
            break;
        }
        if (beside)
            unlink(beside);
    }
    free(beside);
    free(away);
}

static bool save(keeper *k, const char *path) {
    if (!k->saved && cn_model_save(k->model, path) != CN_OK) {
        complain_file("save", path, library_error());
        save_elsewhere(k);
        return false;
    }
    printf("Saved as %s", shown(path));
    k->left = strdup(path);
    return true;
}

/* Nothing that was there gives way to a model that has not seen all images once. */
static bool save_part(keeper *k) {
    char *beside = NULL;
    if (output_holds_something(k->path)) {
        size_t size = strlen(k->path) + sizeof ".part";
        beside = malloc(size);
        if (!beside) {
            complain("no memory for a path");
            return false;
        }
        snprintf(beside, size, "%s.part", k->path);
        complain("'%s' stays as it was, since no epoch was completed", k->path);
    }
    bool good = save(k, beside ? beside : k->path);
    if (good)
        printf(", as it is within the first epoch\n");
    free(beside);
    return good;
}

bool keeper_end(keeper *k, bool newer, bool trustworthy) {
    bool back = k->kept.epoch && (k->best || !newer || !trustworthy);
    if (back)
        go_back(k);
    else
        k->saved = false;
    if (!k->path)
        return true;
    if (!k->kept.epoch && !newer) {
        complain("nothing was trained, so nothing is saved");
        return true;
    }
    if (!k->kept.epoch)
        return save_part(k);
    if (!save(k, k->path))
        return false;
    if (back && (newer || k->best))
        printf(", as epoch %d left it", (int)k->kept.epoch);
    printf("\n");
    return true;
}
