/* output_files.c: files that a long run writes, which are tried out before it begins. */
#include "common.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The empty temporary file, or the model in its place. */
static bool try_writing(const char *path, const char *trial, int file, const cn_model *model) {
    bool good = file >= 0;
    if (!good)
        complain("cannot write '%s': %s", path, strerror(errno));
    if (good && model && cn_model_save(model, trial) != CN_OK) {
        complain("cannot save the model as '%s': %s", path, cn_last_error());
        good = false;
    }
    if (file >= 0) {
        close(file);
        unlink(trial);
    }
    return good;
}

bool output_possible(const char *path, const cn_model *model) {
    static const char ending[] = ".XXXXXX"; /* mkstemp's */
    struct stat status;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        bool stream = !model && !S_ISDIR(status.st_mode); /* such as /dev/stdout, which a log may go to */
        if (!stream)
            complain("cannot write '%s': it is not a plain file", path);
        return stream;
    }
    char *trial = malloc(strlen(path) + sizeof ending);
    if (!trial) {
        complain("cannot write '%s': %s", path, strerror(errno));
        return false;
    }
    strcpy(trial, path);
    strcat(trial, ending);
    bool good = try_writing(path, trial, mkstemp(trial), model);
    free(trial);
    return good;
}

/* Complains if something went wrong with the file. */
static bool check(bool good, const char *path) {
    if (!good)
        complain("cannot write '%s': %s", path, strerror(errno));
    return good;
}

FILE *epoch_log_open(const char *path) {
    FILE *log = fopen(path, "w");
    if (!check(log != NULL, path))
        return NULL;
    fputs("epoch,train_loss,train_accuracy,test_loss,test_accuracy,learning_rate,seconds,images_per_second\n", log);
    if (!check(fflush(log) == 0, path)) {
        fclose(log);
        return NULL;
    }
    return log;
}

bool epoch_log_write(FILE *log, const char *path, const cn_epoch *epoch) {
    fprintf(log, "%lld,%.9g,%.6g,%.9g,%.6g,%.7g,%.3f,%.1f\n", (long long)epoch->epoch, epoch->train_loss,
            100.0 * epoch->train_accuracy, epoch->test_loss, 100.0 * epoch->test_accuracy, epoch->learning_rate,
            epoch->seconds, epoch->images_per_second);
    return check(fflush(log) == 0 && !ferror(log), path);
}
