/* output_files.c: files that a long run writes, which are tried out before it begins. */
#include "common.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- which file a path means ---- */

/* An existing file, or the name that a new one would have in its folder. */
typedef struct identity {
    dev_t device;
    ino_t node;
    char name[NAME_MAX + 1]; /* "" for an existing one */
} identity;

static bool identify(const char *path, identity *id) {
    struct stat status;
    char real[PATH_MAX], *copy = strdup(path);
    *id = (identity){.name = ""};
    if (!copy)
        return false;
    bool found = stat(path, &status) == 0;
    if (!found) {
        char *slash = strrchr(copy, '/');
        snprintf(id->name, sizeof id->name, "%s", slash ? slash + 1 : copy);
        if (slash)
            slash[slash == copy] = '\0';
        found = realpath(slash ? copy : ".", real) && stat(real, &status) == 0;
    }
    free(copy);
    id->device = found ? status.st_dev : 0;
    id->node = found ? status.st_ino : 0;
    return found;
}

static bool same_file(const char *a, const char *b) {
    identity one, other;
    struct stat status;
    if (stat(a, &status) == 0 && S_ISCHR(status.st_mode))
        return false; /* /dev/null and terminals take anything */
    return strcmp(a, b) == 0 || (identify(a, &one) && identify(b, &other) && one.device == other.device &&
                                 one.node == other.node && strcmp(one.name, other.name) == 0);
}

void files_must_differ(const named_file *files, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++) {
            const named_file *a = &files[k], *b = &files[i];
            if (!a->path || !b->path || !same_file(a->path, b->path))
                continue;
            if (strcmp(a->path, b->path) == 0)
                complain_usage("%s and %s are both '%s'", a->option, b->option, a->path);
            complain_usage("%s '%s' and %s '%s' are the same file", a->option, a->path, b->option, b->path);
        }
}

/* ---- trying them out ---- */

char *output_unique(const char *stem) {
    static const char ending[] = ".XXXXXX"; /* mkstemp's */
    char *path = malloc(strlen(stem) + sizeof ending);
    if (!path)
        return NULL;
    strcpy(path, stem);
    strcat(path, ending);
    int file = mkstemp(path);
    if (file >= 0) {
        close(file);
        return path;
    }
    free(path);
    return NULL;
}

static bool writable(const char *path) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file >= 0)
        close(file);
    return file >= 0;
}

bool output_possible(const char *path, const cn_model *model) {
    struct stat status;
    bool there = stat(path, &status) == 0;
    if (there && !S_ISREG(status.st_mode)) {
        bool stream = !model && !S_ISDIR(status.st_mode); /* such as /dev/stdout, which a log may go to */
        if (!stream)
            complain("cannot write '%s': it is not a plain file", path);
        return stream;
    }
    errno = 0;
    bool open = there && writable(path);
    bool fixed = there && !open && (errno == EPERM || errno == EROFS); /* chattr +i, a read-only file system */
    char *trial = fixed ? NULL : output_unique(path);
    if (!trial && open)
        return true; /* nothing can be put beside it, so it will be written in place */
    if (!trial) {
        complain("cannot write '%s': %s", path, strerror(errno));
        return false;
    }
    bool good = !model || cn_model_save(model, trial) == CN_OK;
    if (!good)
        complain("cannot save the model as '%s': %s", path, library_error());
    unlink(trial);
    free(trial);
    return good;
}

bool output_holds_something(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0;
}

/* ---- logs ---- */

/* Complains if something went wrong with the file. */
static bool check(bool good, const char *path) {
    if (!good)
        complain("cannot write '%s': %s", path, strerror(errno));
    return good;
}

#define LOG_BEGINS "epoch,train_loss,train_"
enum { HEADER_TEXT = 256 };

/* The metric's name as one of a column: "mean_iou". */
static const char *column_name(cn_metric metric, char name[METRIC_TEXT]) {
    snprintf(name, METRIC_TEXT, "%s", cn_metric_name(metric));
    for (char *c = name; *c; c++)
        *c = *c == ' ' ? '_' : (char)tolower((unsigned char)*c);
    return name;
}

static const char *header_text(const char *tested, cn_metric metric, char text[HEADER_TEXT]) {
    char name[METRIC_TEXT];
    column_name(metric, name);
    snprintf(text, HEADER_TEXT, LOG_BEGINS "%s,%.40s_loss,%.40s_%s,learning_rate,seconds,images_per_second\n", name,
             tested, tested, name);
    return text;
}

/* Shares are percentages. */
static double column_value(const cn_epoch_info *epoch, double value) {
    return metric_is_share(epoch->metric) ? 100.0 * value : value;
}

FILE *epoch_log_open(const char *path, const char *tested, cn_metric metric) {
    char header[HEADER_TEXT];
    FILE *log = fopen(path, "w");
    if (!check(log != NULL, path))
        return NULL; /* cppcheck-suppress resourceLeak ; it is NULL */
    fputs(header_text(tested, metric, header), log);
    if (!check(fflush(log) == 0, path)) {
        fclose(log);
        return NULL;
    }
    return log;
}

bool epoch_log_write(FILE *log, const char *path, const cn_epoch_info *epoch) {
    fprintf(log, "%lld,%.9g,%.6g,%.9g,%.6g,%.7g,%.3f,%.1f\n", (long long)epoch->epoch, epoch->train_loss,
            column_value(epoch, epoch->train_metric), epoch->test_loss, column_value(epoch, epoch->test_metric),
            epoch->learning_rate, epoch->seconds, epoch->images_per_second);
    return check(fflush(log) == 0 && !ferror(log), path);
}

bool epoch_log_write_part(FILE *log, const char *path, const part_epoch *part) {
    const cn_epoch_info *so_far = &part->so_far;
    if (part->share <= 0.0)
        return true;
    double share = part->share < 0.0005 ? 0.001 : part->share > 0.999 ? 0.999 : part->share; /* never a whole epoch */
    fprintf(log, "%.3f,%.9g,%.6g,,,%.7g,%.3f,%.1f\n", (double)(so_far->epoch - 1) + share, so_far->train_loss,
            column_value(so_far, so_far->train_metric), so_far->learning_rate, so_far->seconds,
            so_far->images_per_second);
    return check(fflush(log) == 0 && !ferror(log), path);
}

bool epoch_log_close(FILE *log, const char *path) {
    return check(fclose(log) == 0, path);
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
                             .images_per_second = value[7],
                             .train_metric = value[2] / 100.0,
                             .test_metric = value[4] / 100.0,
                             .metric = CN_METRIC_ACCURACY};
    return true;
}

int epoch_log_read(const char *path, int most, cn_epoch_info *epochs) {
    char line[HEADER_TEXT], header[HEADER_TEXT];
    int count = 0;
    FILE *log = fopen(path, "r");
    if (!log)
        return 0;
    header_text("test", CN_METRIC_ACCURACY, header);
    if (fgets(line, sizeof line, log) && strcmp(line, header) == 0)
        while (count < most && fgets(line, sizeof line, log) && parse_epoch(line, &epochs[count]) &&
               epochs[count].epoch == count + 1)
            count++;
    fclose(log);
    return count;
}

/* ---- data ---- */

static bool lies_in(const char *path, const char *folder) {
    char file[PATH_MAX], base[PATH_MAX];
    if (!realpath(path, file) || !realpath(folder, base))
        return false;
    size_t length = strlen(base);
    return strncmp(file, base, length) == 0 && (file[length] == '/' || base[length - 1] == '/');
}

/* By its first bytes: a log's header, or a safetensors file's length of its header, which is JSON; or empty. */
static bool is_ours(const char *path) {
    char start[sizeof LOG_BEGINS] = "";
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    size_t bytes = fread(start, 1, sizeof start - 1, file);
    fclose(file);
    return bytes == 0 || strcmp(start, LOG_BEGINS) == 0 || (bytes > 8 && start[8] == '{');
}

bool output_spares_data(const char *path, const char *folder) {
    if (!folder || !lies_in(path, folder) || is_ours(path))
        return true;
    complain("'%s' lies with the data, and is neither a model nor a log; choose another name", path);
    return false;
}
