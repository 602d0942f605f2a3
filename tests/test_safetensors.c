/* test_safetensors.c: the container of model files, with headers that lie; JSON; files read and replaced whole. */
#include "model_files.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TEST_RUNS_ONCE;

static cn_context *ctx;
static char folder[64], path[128];

static void setup(void) {
    ctx = test_context(1);
    snprintf(folder, sizeof folder, "/tmp/test_safetensors.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
}

static void teardown(void) {
    unlink(path);
    ck_assert_msg(rmdir(folder) == 0, "files are left in %s", folder);
    cn_context_free(ctx);
}

/* ---- whole files ---- */

static cn_status replace(const char *name, const char *text) {
    const struct iovec pieces[] = {{"<", 1}, {(void *)(uintptr_t)text, strlen(text)}, {">", 1}};
    return cn__replace_file(ctx, name, pieces, 3);
}

static void expect_content(const char *name, const char *wanted) {
    unsigned char *data;
    size_t bytes;
    ck_ok(cn__file_load(ctx, name, &data, &bytes));
    ck_assert_uint_eq(bytes, strlen(wanted));
    ck_assert_mem_eq(data, wanted, bytes);
    cn__free(ctx, data);
}

static mode_t mode_of(const char *name) {
    struct stat status;
    ck_assert_int_eq(stat(name, &status), 0);
    return status.st_mode & 07777;
}

START_TEST(files_are_replaced_whole) {
    ck_ok(replace(path, "one"));
    expect_content(path, "<one>");
    ck_ok(replace(path, ""));
    expect_content(path, "<>");
}
END_TEST

START_TEST(a_new_file_has_the_permissions_of_any_new_file) {
    mode_t old = umask(027);
    ck_ok(replace(path, "one"));
    umask(old);
    ck_assert_int_eq(mode_of(path), 0640);
}
END_TEST

START_TEST(an_old_files_permissions_stay) {
    ck_ok(replace(path, "one"));
    ck_assert_int_eq(chmod(path, 0604), 0);
    ck_ok(replace(path, "two"));
    ck_assert_int_eq(mode_of(path), 0604);
    expect_content(path, "<two>");
}
END_TEST

START_TEST(a_link_stays_one) {
    char link[128];
    struct stat status;
    snprintf(link, sizeof link, "%s/link", folder);
    ck_ok(replace(path, "one"));
    ck_assert_int_eq(symlink("file", link), 0);
    ck_ok(replace(link, "two"));
    ck_assert_int_eq(lstat(link, &status), 0);
    ck_assert(S_ISLNK(status.st_mode));
    expect_content(path, "<two>");
    unlink(link);
}
END_TEST

static void make_link(const char *to, const char *name) {
    char link[192];
    snprintf(link, sizeof link, "%s/%s", folder, name);
    ck_assert_int_eq(symlink(to, link), 0);
}

static void remove_link(const char *name) {
    char link[192];
    struct stat status;
    snprintf(link, sizeof link, "%s/%s", folder, name);
    ck_assert_int_eq(lstat(link, &status), 0);
    ck_assert(S_ISLNK(status.st_mode));
    unlink(link);
}

/* Links to links, relative to where each lies; what they point to need not be there. */
START_TEST(a_dangling_link_is_written_behind) {
    char link[192], sub[192];
    snprintf(sub, sizeof sub, "%s/sub", folder);
    snprintf(link, sizeof link, "%s/sub/a", folder);
    ck_assert_int_eq(mkdir(sub, 0700), 0);
    make_link("../b", "sub/a");
    make_link("file", "b");
    for (int i = 0; i < 2; i++) {
        ck_ok(replace(link, "one"));
        expect_content(path, "<one>");
    }
    make_link("nowhere/file", "c");
    snprintf(link, sizeof link, "%s/c", folder);
    ck_fails(replace(link, "one"), CN_ERR_IO, "nowhere/file': No such file");
    make_link("loop", "loop");
    snprintf(link, sizeof link, "%s/loop", folder);
    ck_fails(replace(link, "one"), CN_ERR_IO, "a loop of links");
    remove_link("loop");
    remove_link("c");
    remove_link("b");
    remove_link("sub/a");
    rmdir(sub);
}
END_TEST

static void make_file(const char *name) {
    int file = open(name, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(file, 0);
    close(file);
}

/* Killed while it saved: the next save beside it clears up, but only what is certainly such a file. */
START_TEST(files_that_dead_processes_left_are_removed) {
    static const char *const kept[] = {".tmp-1-0",    ".tmp-%ld",    ".tmp-%ld-", ".tmp-%ld-0x",
                                       ".tmp--%ld-0", "2.tmp-%ld-0", ".tmp-0-0"};
    char name[192], end[64];
    int exited;
    pid_t dead = fork();
    if (dead == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(dead, &exited, 0), dead);
    for (size_t i = 0; i < CN__COUNT(kept); i++) {
        snprintf(end, sizeof end, kept[i], (long)dead);
        snprintf(name, sizeof name, "%s%s", path, end);
        make_file(name);
    }
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s.tmp-%ld-%d", path, (long)dead, i);
        make_file(name);
    }
    ck_ok(replace(path, "one"));
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s.tmp-%ld-%d", path, (long)dead, i);
        ck_assert_int_eq(access(name, F_OK), -1);
    }
    for (size_t i = 0; i < CN__COUNT(kept); i++) {
        snprintf(end, sizeof end, kept[i], (long)dead);
        snprintf(name, sizeof name, "%s%s", path, end);
        ck_assert_msg(unlink(name) == 0, "%s was removed", name);
    }
}
END_TEST

/* root may do anything, so it becomes somebody else. */
static bool become_nobody(void) {
    return geteuid() == 0 && seteuid(65534) == 0;
}

START_TEST(where_no_file_can_be_made_it_is_written_in_place) {
    static const char *const texts[] = {"longer than before", "short"};
    ck_ok(replace(path, "one"));
    ck_assert_int_eq(chmod(path, 0666), 0);
    ck_assert_int_eq(chmod(folder, 0555), 0);
    bool root = become_nobody();
    for (int i = 0; i < 2; i++)
        ck_ok(replace(path, texts[i]));
    expect_content(path, "<short>");
    if (root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(path, 0444), 0);
    root = become_nobody();
    ck_fails(replace(path, "two"), CN_ERR_IO, "cannot write '");
    if (root)
        ck_assert_int_eq(seteuid(0), 0);
    expect_content(path, "<short>");
    ck_assert_int_eq(chmod(folder, 0755), 0);
}
END_TEST

/* In a folder such as /tmp nobody may put a file in the place of another's. Only root can make that of others'. */
START_TEST(where_no_file_can_be_replaced_nothing_is_lost) {
    char temporary[192];
    ck_ok(replace(path, "one"));
    ck_assert_int_eq(chmod(path, 0666), 0);
    ck_assert_int_eq(chmod(folder, 01777), 0);
    if (!become_nobody())
        return;
    ck_ok(replace(path, "two"));
    expect_content(path, "<two>");
    ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(path, 0444), 0);
    ck_assert(become_nobody());
    snprintf(temporary, sizeof temporary, "%s.tmp-%ld-0", path, (long)getpid());
    ck_fails(replace(path, "three"), CN_ERR_IO, temporary);
    ck_assert_int_eq(seteuid(0), 0);
    expect_content(path, "<two>");
    expect_content(temporary, "<three>");
    unlink(temporary);
}
END_TEST

START_TEST(what_is_no_file_is_left_alone) {
    ck_fails(replace("/dev/full", "one"), CN_ERR_IO, "'/dev/full': it is not a regular file");
    ck_fails(replace(folder, "one"), CN_ERR_IO, "is not a regular file");
    ck_fails(replace("/nowhere/at/all", "one"), CN_ERR_IO, "cannot create a file beside '/nowhere/at/all'");
    ck_fails(replace("", "one"), CN_ERR_IO, "cannot");
}
END_TEST

START_TEST(a_name_in_the_current_folder_will_do) {
    char before[1024];
    ck_assert_ptr_nonnull(getcwd(before, sizeof before));
    ck_assert_int_eq(chdir(folder), 0);
    ck_ok(replace("file", "here"));
    ck_assert_int_eq(chdir(before), 0);
    expect_content(path, "<here>");
}
END_TEST

/* The limit stands in for a full disk: writing fails half-way. */
START_TEST(a_full_disk_leaves_the_old_file) {
    struct rlimit limit, small;
    char long_text[3000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    ck_ok(replace(path, "old"));
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    cn_status status = replace(path, long_text);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_DFL);
    ck_assert_int_eq(status, CN_ERR_IO);
    ck_assert_ptr_nonnull(strstr(cn_last_error(), "cannot write '"));
    expect_content(path, "<old>"); /* and the folder, when it is removed, has nothing else */
}
END_TEST

START_TEST(another_programs_temporary_files_are_not_touched) {
    char other[192];
    snprintf(other, sizeof other, "%s.tmp-%ld-0", path, (long)getpid());
    int file = open(other, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(file, 0);
    close(file);
    ck_ok(replace(path, "one"));
    ck_assert_int_eq(access(other, F_OK), 0);
    unlink(other);
}
END_TEST

START_TEST(only_files_are_read) {
    unsigned char *data = (unsigned char *)folder;
    size_t bytes;
    ck_fails(cn__file_load(ctx, path, &data, &bytes), CN_ERR_IO, "cannot open '");
    ck_assert_ptr_null(data);
    ck_fails(cn__file_load(ctx, "/dev/zero", &data, &bytes), CN_ERR_IO,
             "cannot read '/dev/zero': it is not a regular file");
    ck_fails(cn__file_load(ctx, folder, &data, &bytes), CN_ERR_IO, "is not a regular file");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_fails(cn__file_load(ctx, path, &data, &bytes), CN_ERR_IO, "is not a regular file");
}
END_TEST

/* ---- reading the container ---- */

/* A file of its own memory, so that a byte too many is noticed. */
static cn_status read_header(const char *header, size_t data_bytes, cn__safetensors *file, unsigned char **memory) {
    size_t length = strlen(header), bytes = 8 + length + data_bytes;
    *memory = calloc(bytes, 1);
    ck_assert_ptr_nonnull(*memory);
    for (int i = 0; i < 8; i++)
        (*memory)[i] = (unsigned char)((uint64_t)length >> (8 * i));
    memcpy(*memory + 8, header, length);
    return cn__safetensors_read(ctx, *memory, bytes, file);
}

static void expect_refused(const char *header, size_t data_bytes, const char *message) {
    cn__safetensors file;
    unsigned char *memory;
    ck_fails(read_header(header, data_bytes, &file, &memory), CN_ERR_FORMAT, message);
    free(memory);
}

START_TEST(tensors_and_metadata_are_found) {
    cn__safetensors file;
    unsigned char *memory;
    ck_ok(read_header("{\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]},"
                      "\"__metadata__\":{\"k\":\"v \\u00e4\"},"
                      "\"a\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
                      "\"none\":{\"dtype\":\"U8\",\"shape\":[0,5],\"data_offsets\":[8,8]}}   ",
                      32, &file, &memory));
    ck_assert_uint_eq(file.count, 3);
    const cn__entry *b = cn__safetensors_find(&file, "b");
    ck_assert_ptr_nonnull(b);
    ck_assert_str_eq(b->dtype, "F32");
    ck_assert_int_eq(b->dims, 2);
    ck_assert_int_eq(b->shape[1], 3);
    ck_assert_uint_eq(b->begin, 8);
    ck_assert_int_eq(cn__safetensors_find(&file, "a")->dims, 0);
    ck_assert_ptr_nonnull(cn__safetensors_find(&file, "none"));
    ck_assert_ptr_null(cn__safetensors_find(&file, "c"));
    ck_assert_ptr_null(cn__safetensors_find(&file, "__metadata__"));
    ck_assert_str_eq(cn__safetensors_metadata(&file, "k"), "v ä");
    ck_assert_ptr_null(cn__safetensors_metadata(&file, "l"));
    cn__safetensors_drop(&file);
    free(memory);
}
END_TEST

START_TEST(a_file_may_hold_nothing) {
    cn__safetensors file;
    unsigned char *memory;
    ck_ok(read_header("{}", 0, &file, &memory));
    ck_assert_uint_eq(file.count, 0);
    ck_assert_ptr_null(cn__safetensors_find(&file, ""));
    ck_assert_ptr_null(cn__safetensors_metadata(&file, "format"));
    cn__safetensors_drop(&file);
    free(memory);
}
END_TEST

#define TENSOR(dtype, shape, offsets) "{\"t\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static const struct {
    const char *header;
    size_t data_bytes;
    const char *message;
} hostile[] = {
    {"", 0, "does not begin with '{'"},
    {" {}", 0, "does not begin with '{'"},
    {"[]", 0, "does not begin with '{'"},
    {"{", 0, "is not JSON"},
    {"{}{}", 0, "is not JSON"},
    {"{\"t\":1}", 0, "tensor 't': its dtype is missing"},
    {"{\"t\":null}", 0, "tensor 't': its dtype is missing"},
    {"{\"t\":{}}", 0, "tensor 't': its dtype is missing"},
    {"{\"\xff\":{}}", 0, "is not JSON"},
    {"{\"a\\u0000b\":{}}", 0, "is not JSON"},
    {"{\"t\":{\"shape\":[" /* the rest is missing */, 0, "is not JSON"},
    {"{\"__metadata__\":[]}", 0, "__metadata__ is not an object"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "'k', which is not a text"},
    {"{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
     2, "it has 't' twice"},
    {TENSOR("4", "[1]", "[0,4]"), 4, "its dtype is missing or unknown"},
    {TENSOR("\"F33\"", "[1]", "[0,4]"), 4, "its dtype is missing or unknown"},
    {TENSOR("\"F32\"", "1", "[0,4]"), 4, "its shape is not a list"},
    {TENSOR("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "its shape is not a list of at most 8"},
    {TENSOR("\"F32\"", "[1.0]", "[0,4]"), 4, "other than counts"},
    {TENSOR("\"F32\"", "[\"1\"]", "[0,4]"), 4, "other than counts"},
    {TENSOR("\"F32\"", "[-1]", "[0,4]"), 4, "other than counts"},
    {TENSOR("\"F32\"", "[99999999999999999999]", "[0,4]"), 4, "other than counts"},
    {TENSOR("\"F32\"", "[1]", "[0]"), 4, "data_offsets are not two counts"},
    {TENSOR("\"F32\"", "[1]", "[0,4,8]"), 4, "data_offsets are not two counts"},
    {TENSOR("\"F32\"", "[1]", "{}"), 4, "data_offsets are not two counts"},
    {TENSOR("\"F32\"", "[1]", "[0,null]"), 4, "data_offsets are not two counts"},
    {TENSOR("\"F32\"", "[1]", "[-4,0]"), 4, "data_offsets are not two counts"},
    {TENSOR("\"F32\"", "[1]", "[4,0]"), 4, "lies at bytes 4 to 0"},
    {TENSOR("\"F32\"", "[1]", "[0,8]"), 4, "lies at bytes 0 to 8 of 4"},
    {TENSOR("\"F32\"", "[1]", "[9223372036854775804,9223372036854775807]"), 4, "lies at bytes"},
    {TENSOR("\"F32\"", "[2]", "[0,4]"), 4, "its 4 bytes are not what its shape needs"},
    {TENSOR("\"F32\"", "[]", "[0,0]"), 0, "its 0 bytes are not what"},
    {TENSOR("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0, "its 0 bytes are not what"},
    {TENSOR("\"F32\"", "[2305843009213693953,4]", "[0,16]"), 16, "its 16 bytes are not what"},
    {TENSOR("\"F32\"", "[4611686018427387904,4611686018427387904,0]", "[0,0]"), 0, "its 0 bytes are not what"},
    {TENSOR("\"F32\"", "[1]", "[4,8]"), 8, "begins at byte 4, and the one before ends at 0"},
    {TENSOR("\"F32\"", "[1]", "[0,4]"), 5, "end at byte 4 of 5"},
    {"{}", 1, "end at byte 0 of 1"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
     3, "begins at byte 1, and the one before ends at 2"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
     2, "begins at byte 0, and the one before ends at 2"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[3,5]}}",
     5, "begins at byte 3, and the one before ends at 2"},
    {"{\"t\":[[[[[[[[[[1]]]]]]]]]]}", 0, "nested more than 8 deep"},
};

START_TEST(hostile_headers_are_refused) {
    expect_refused(hostile[_i].header, hostile[_i].data_bytes, hostile[_i].message);
}
END_TEST

START_TEST(an_abyss_is_refused_without_going_down) {
    size_t depth = 4 << 20;
    char *header = malloc(depth + 1);
    ck_assert_ptr_nonnull(header);
    memset(header, '[', depth);
    memcpy(header, "{\"a\":", 5);
    header[depth] = '\0';
    expect_refused(header, 0, "nested more than 8 deep");
    free(header);
}
END_TEST

START_TEST(brackets_in_texts_are_not_depth) {
    cn__safetensors file;
    unsigned char *memory;
    ck_ok(read_header("{\"__metadata__\":{\"k\":\"[[[[[[[[[[\\\"{{{{{{{{{\\\\\"}}", 0, &file, &memory));
    ck_assert_str_eq(cn__safetensors_metadata(&file, "k"), "[[[[[[[[[[\"{{{{{{{{{\\");
    cn__safetensors_drop(&file);
    free(memory);
}
END_TEST

START_TEST(lengths_are_not_believed) {
    static const struct {
        unsigned char bytes[10];
        size_t count;
        const char *message;
    } lengths[] = {
        {{0}, 0, "0 bytes are too few"},
        {{2, 0, 0, 0, 0, 0, 0}, 7, "7 bytes are too few"},
        {{0, 0, 0, 0, 0, 0, 0, 0}, 8, "does not begin with '{'"},
        {{2, 0, 0, 0, 0, 0, 0, 0, '{'}, 9, "of 2 bytes is cut off after 1"},
        {{255, 255, 255, 255, 255, 255, 255, 255, '{', '}'}, 10, "header of 18446744073709551615 bytes is longer"},
        {{1, 0, 0, 1, 0, 0, 0, 0, '{', '}'}, 10, "header of 16777217 bytes is longer than 16777216"},
        {{0, 0, 0, 1, 0, 0, 0, 0, '{', '}'}, 10, "of 16777216 bytes is cut off after 2"},
    };
    for (size_t i = 0; i < CN__COUNT(lengths); i++) {
        cn__safetensors file;
        unsigned char *memory = malloc(lengths[i].count + !lengths[i].count);
        ck_assert_ptr_nonnull(memory);
        memcpy(memory, lengths[i].bytes, lengths[i].count);
        ck_fails(cn__safetensors_read(ctx, memory, lengths[i].count, &file), CN_ERR_FORMAT, lengths[i].message);
        free(memory);
    }
}
END_TEST

/* ---- writing it ---- */

START_TEST(what_is_written_is_read_back) {
    static const float data[] = {1.0f, 2.0f, 3.0f};
    const cn__entry entries[] = {{"z", "F32", 2, {1, 2}, 4, 12, false},
                                 {"a \"\\\n\t\x01 ü", "F32", 0, {0}, 0, 4, false}};
    const cn__metadata metadata[] = {{"k", "{\"a\": \"b\"}"}, {"", ""}};
    cn__safetensors file;
    unsigned char *memory;
    size_t bytes;
    ck_ok(write_tensors(ctx, path, entries, 2, metadata, 2, data, sizeof data));
    ck_ok(cn__file_load(ctx, path, &memory, &bytes));
    ck_ok(cn__safetensors_read(ctx, memory, bytes, &file));
    ck_assert_uint_eq((uintptr_t)(file.data - memory) % 8, 0);
    ck_assert_uint_eq(file.bytes, sizeof data);
    ck_assert_mem_eq(file.data, data, sizeof data);
    ck_assert_uint_eq(cn__safetensors_find(&file, "z")->begin, 4);
    ck_assert_int_eq(cn__safetensors_find(&file, "z")->shape[1], 2);
    ck_assert_ptr_nonnull(cn__safetensors_find(&file, entries[1].name));
    ck_assert_str_eq(cn__safetensors_metadata(&file, "k"), "{\"a\": \"b\"}");
    ck_assert_str_eq(cn__safetensors_metadata(&file, ""), "");
    cn__safetensors_drop(&file);
    cn__free(ctx, memory);
}
END_TEST

START_TEST(texts_must_be_utf8) {
    static const struct {
        const char *text;
        bool good;
    } texts[] = {
        {"", true},
        {"\x7f", true},
        {"\xc2\x80 \xdf\xbf", true},
        {"\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf", true},
        {"\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", true},
        {"\x80", false},             /* a continuation alone */
        {"\xc1\xbf", false},         /* more bytes than needed */
        {"\xc3", false},             /* cut off */
        {"\xe0\x9f\xbf", false},     /* more bytes than needed */
        {"\xed\xa0\x80", false},     /* half of a surrogate pair */
        {"\xe2\x82", false},         /* cut off */
        {"\xe2\x82x", false},        /* cut off */
        {"\xf0\x8f\xbf\xbf", false}, /* more bytes than needed */
        {"\xf4\x90\x80\x80", false}, /* beyond the last character */
        {"\xf5\x80\x80\x80", false}, /* no such lead */
        {"\xff", false},
    };
    for (size_t i = 0; i < CN__COUNT(texts); i++) {
        cn__json *json;
        cn__text text = {.ctx = ctx};
        char *out;
        cn__text_append(&text, "[");
        bool good = cn__json_append_string(&text, texts[i].text);
        cn__text_append(&text, "]");
        ck_assert_msg(good == texts[i].good, "text %zu", i);
        ck_ok(cn__text_take(&text, &out));
        if (good) { /* the parser agrees */
            ck_ok(cn__json_read(ctx, out, strlen(out), "a text", &json));
            cn__free(ctx, json);
        }
        cn_text_free(out);
    }
}
END_TEST

START_TEST(what_cannot_be_read_is_not_written) {
    const cn__entry bad = {"\xff", "F32", 0, {0}, 0, 4, false}, good = {"a", "F32", 0, {0}, 0, 4, false};
    static char enormous[(16 << 20) + 1];
    const float data = 1.0f;
    memset(enormous, 'x', sizeof enormous - 1);
    ck_fails(write_tensors(ctx, path, &bad, 1, NULL, 0, &data, 4), CN_ERR_ARGUMENT, "not UTF-8");
    ck_fails(write_tensors(ctx, path, &good, 1, &(cn__metadata){"k", "\xc3"}, 1, &data, 4), CN_ERR_ARGUMENT,
             "not UTF-8");
    ck_fails(write_tensors(ctx, path, &good, 1, &(cn__metadata){"k", enormous}, 1, &data, 4), CN_ERR_ARGUMENT,
             "more than 16777216");
    ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("safetensors");
    TCase *whole = tcase_create("files");
    tcase_add_checked_fixture(whole, setup, teardown);
    tcase_add_test(whole, files_are_replaced_whole);
    tcase_add_test(whole, a_new_file_has_the_permissions_of_any_new_file);
    tcase_add_test(whole, an_old_files_permissions_stay);
    tcase_add_test(whole, a_link_stays_one);
    tcase_add_test(whole, a_dangling_link_is_written_behind);
    tcase_add_test(whole, files_that_dead_processes_left_are_removed);
    tcase_add_test(whole, where_no_file_can_be_made_it_is_written_in_place);
    tcase_add_test(whole, where_no_file_can_be_replaced_nothing_is_lost);
    tcase_add_test(whole, what_is_no_file_is_left_alone);
    tcase_add_test(whole, a_name_in_the_current_folder_will_do);
    tcase_add_test(whole, a_full_disk_leaves_the_old_file);
    tcase_add_test(whole, another_programs_temporary_files_are_not_touched);
    tcase_add_test(whole, only_files_are_read);
    suite_add_tcase(suite, whole);
    TCase *container = tcase_create("container");
    tcase_add_checked_fixture(container, setup, teardown);
    tcase_add_test(container, tensors_and_metadata_are_found);
    tcase_add_test(container, a_file_may_hold_nothing);
    tcase_add_loop_test(container, hostile_headers_are_refused, 0, (int)CN__COUNT(hostile));
    tcase_add_test(container, an_abyss_is_refused_without_going_down);
    tcase_add_test(container, brackets_in_texts_are_not_depth);
    tcase_add_test(container, lengths_are_not_believed);
    tcase_add_test(container, what_is_written_is_read_back);
    tcase_add_test(container, texts_must_be_utf8);
    tcase_add_test(container, what_cannot_be_read_is_not_written);
    suite_add_tcase(suite, container);
    return test_run(suite);
}
