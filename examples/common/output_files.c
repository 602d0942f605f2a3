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

#define LOG_HEADER "epoch,train_loss,train_accuracy,test_loss,test_accuracy,learning_rate,seconds,images_per_second\n"

FILE *epoch_log_open(const char *path) {
    FILE *log = fopen(path, "w");
    if (!check(log != NULL, path))
        return NULL;
    fputs(LOG_HEADER, log);
    if (!check(fflush(log) == 0, path)) {
        fclose(log);
        return NULL;
    }
    return log;
}

bool epoch_log_write(FILE *log, const char *path, const cn_epoch_info *epoch) {
    fprintf(log, "%lld,%.9g,%.6g,%.9g,%.6g,%.7g,%.3f,%.1f\n", (long long)epoch->epoch, epoch->train_loss,
            100.0 * epoch->train_accuracy, epoch->test_loss, 100.0 * epoch->test_accuracy, epoch->learning_rate,
            epoch->seconds, epoch->images_per_second);
    return check(fflush(log) == 0 && !ferror(log), path);
}

/* Eight numbers with commas between them and nothing after them. */
static bool parse_epoch(const char *line, cn_epoch_info *epoch) {
    double value[8];
    for (size_t i = 0; i < COUNT(value); i++) {
        char *end;
        value[i] = strtod(line, &end);
        if (end == line || *end != (i + 1 < COUNT(value) ? ',' : '\n'))
            return false;
        line = end + 1;
    }
    *epoch = (cn_epoch_info){.size = sizeof *epoch,
                             .epoch = (int64_t)value[0],
                             .train_loss = value[1],
                             .train_accuracy = value[2] / 100.0,
                             .test_loss = value[3],
                             .test_accuracy = value[4] / 100.0,
                             .learning_rate = value[5],
                             .seconds = value[6],
                             .images_per_second = value[7]};
    return true;
}

int epoch_log_read(const char *path, int most, cn_epoch_info *epochs) {
    char line[256];
    int count = 0;
    FILE *log = fopen(path, "r");
    if (!log)
        return 0;
    if (fgets(line, sizeof line, log) && strcmp(line, LOG_HEADER) == 0)
        while (count < most && fgets(line, sizeof line, log) && parse_epoch(line, &epochs[count]) &&
               epochs[count].epoch == count + 1)
            count++;
    fclose(log);
    return count;
}
