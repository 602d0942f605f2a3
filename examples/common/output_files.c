/* output_files.c: files that a long run writes, which are tried out before it begins. */
#include "common.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool output_possible(const char *path) {
    static const char ending[] = ".XXXXXX"; /* mkstemp's */
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        complain("cannot write '%s': it is a folder", path);
        return false;
    }
    char *trial = malloc(strlen(path) + sizeof ending);
    int file = -1;
    if (trial) {
        strcpy(trial, path);
        strcat(trial, ending);
        file = mkstemp(trial);
    }
    if (file < 0) {
        complain("cannot write '%s': %s", path, strerror(errno));
    } else {
        close(file);
        unlink(trial);
    }
    free(trial);
    return file >= 0;
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
    fprintf(log, "%lld,%.9g,%.6g,%.9g,%.6g,%.9g,%.3f,%.1f\n", (long long)epoch->epoch, epoch->train_loss,
            100.0 * epoch->train_accuracy, epoch->test_loss, 100.0 * epoch->test_accuracy, epoch->learning_rate,
            epoch->seconds, epoch->images_per_second);
    return check(fflush(log) == 0 && !ferror(log), path);
}
