/* SPDX-License-Identifier: MIT */
/* fuzz_folder.c: folders of pictures and masks. Bytes say what is made: a folder and into it, a picture, another file, a
 * link to what a name says, or back up; and how it is called. */
#include "fuzz_data.h"
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_THINGS = 40, MOST_PATH = 2048 };

static const char pixel[] = "P5\n1 1\n255\n\x80";

static void put_file(const char *path, const void *bytes, size_t count) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (file < 0)
        return; /* such as a name that is taken, or none */
    FUZZ_EXPECT(write(file, bytes, count) == (ssize_t)count);
    close(file);
}

/* Names of no slash, and not too long. */
static void clean(char *name) {
    for (char *c = name; *c; c++)
        if (*c == '/')
            *c = '_';
    if (strlen(name) > 255)
        name[255] = '\0';
}

/* Nothing outside: up one folder alone, and down. */
static const char *near(const char *target) {
    bool up = strstr(target, "..") != NULL && strcmp(target, "..") != 0;
    return target[0] == '/' || up ? "." : target;
}

/* One thing in the folder `at`, below `root`. */
static void make(char *at, size_t root, unsigned kind, const char *name, const char *target) {
    size_t length = strlen(at);
    if (kind % 8 == 7) {
        while (length > root && at[length] != '/')
            length--;
        at[length] = '\0';
        return;
    }
    if (length + strlen(name) + 2 > MOST_PATH || !*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return;
    snprintf(at + length, MOST_PATH - length, "/%s", name);
    if (kind % 8 <= 2 && mkdir(at, 0700) == 0 && kind % 8 > 0)
        return; /* it stays in that */
    if (kind % 8 == 3 || kind % 8 == 4)
        put_file(at, pixel, sizeof pixel - 1);
    if (kind % 8 == 5)
        put_file(at, target, strlen(target));
    if (kind % 8 == 6)
        (void)!symlink(target, at);
    at[length] = '\0';
}

static void open_all(const char *path, size_t entries) {
    cn_folder_options options = CN_FOLDER_OPTIONS_INIT;
    int parts;
    options.channels = 1;
    options.height = options.width = 2;
    (void)cn_dataset_folder_has_parts(fuzz_context(), path, &parts);
    for (int way = 0; way < 8; way++) {
        cn_dataset *dataset;
        options.split = (cn_split)(way / 2);
        fuzz_begin();
        cn_status status = way % 2 ? cn_dataset_folder_masks(fuzz_context(), path, &options, NULL, &dataset)
                                   : cn_dataset_folder(fuzz_context(), path, &options, &dataset);
        FUZZ_OUTCOME(status, dataset);
        fuzz_at_most(entries * (MOST_PATH + 64), 0);
        if (dataset)
            for (int64_t i = 0; i < cn_dataset_count(dataset); i++)
                FUZZ_EXPECT(cn_dataset_file_name(dataset, i));
        cn_dataset_free(dataset);
        fuzz_end();
    }
}

FUZZ(folder) {
    fuzz_bytes rest = {data, size};
    char at[MOST_PATH];
    size_t root = (size_t)snprintf(at, sizeof at, "%s", fuzz_path("root")), things = 0;
    mkdir(at, 0700);
    for (; rest.count > 0 && things < MOST_THINGS; things++) {
        unsigned kind = fuzz_byte(&rest);
        size_t letters = fuzz_byte(&rest);
        char name[256] = "", target[64] = "";
        for (size_t i = 0; i < letters && i < 255 && rest.count > 0; i++)
            name[i] = (char)fuzz_byte(&rest);
        for (size_t i = 0; kind % 8 >= 5 && i < kind / 8 && rest.count > 0; i++)
            target[i] = (char)fuzz_byte(&rest);
        clean(name);
        make(at, root, kind, name, near(target));
    }
    at[root] = '\0';
    open_all(at, things + 1);
    fuzz_remove(at);
    return 0;
}
