/* SPDX-License-Identifier: MIT */
/* test_tensors_archives.c: collections of tensors in ZIP archives: fields of all widths, members without end, names that occur
 * twice, and archives that lie. */
#include "model_files.h"
#include "base/zip.h"
#include <stdio.h>

TEST_RUNS_ONCE;

/* An archive with these entries of three bytes, or arrays, as content. */
static cn_tensor *archive_of(const char *const *names, size_t count, uint64_t wide, bool deflate) {
    static const char array[] = "\x93NUMPY\1\0v\0{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }";
    char bytes[131];
    cn__zip_writer writer;
    cn_tensor *archive;
    memset(bytes, ' ', sizeof bytes);
    memcpy(bytes, array, sizeof array - 1);
    memcpy(bytes + 127, "\nabc", 4);
    ck_ok(cn__zip_begin(files.ctx, count, count * cn__zip_bound("a long enough name.npy", sizeof bytes, deflate),
                        deflate, &writer));
    writer.wide = wide;
    for (size_t i = 0; i < count; i++)
        ck_ok(cn__zip_add(&writer, names[i], (struct iovec[]){{bytes, 128}, {bytes + 128, 3}}, 2));
    ck_ok(cn__zip_end(&writer, CN_OK, &archive));
    return archive;
}

static cn_status load_archive(const cn_tensor *archive, cn_tensors **tensors) {
    return cn_tensors_load_memory(files.ctx, archive->data, (size_t)archive->count, tensors);
}

/* ZIP64's fields wherever they may be: sizes, offsets, the directory. */
START_TEST(archives_of_wide_fields_are_written_and_read) {
    static const char *const names[] = {"a.npy", "b.npy", "c.npy"};
    for (uint64_t wide = 0; wide < 1000; wide += wide < 400 ? 7 : 100)
        for (int deflate = 0; deflate < 2; deflate++) {
            cn_tensor *archive = archive_of(names, 3, wide, deflate), *tensor;
            cn_tensors *tensors;
            ck_ok(load_archive(archive, &tensors));
            ck_assert_int_eq(cn_tensors_count(tensors), 3);
            ck_ok(cn_tensors_get(tensors, "c", &tensor));
            ck_assert_mem_eq(tensor->data, "abc", 3);
            cn_tensors_free(tensors);
            cn_tensor_free(archive);
        }
}
END_TEST

START_TEST(many_members_are_written_and_read) {
    enum { MANY = 66000 };
    static char names[MANY][16];
    static const char *list[MANY];
    cn_tensors *tensors;
    cn_tensor *tensor;
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "%d.npy", i * 7 % MANY);
        list[i] = names[i];
    }
    cn_tensor *archive = archive_of(list, MANY, UINT32_MAX, false);
    ck_ok(load_archive(archive, &tensors));
    ck_assert_int_eq(cn_tensors_count(tensors), MANY);
    ck_ok(cn_tensors_get(tensors, "65999", &tensor));
    cn_tensors_free(tensors);
    cn_tensor_free(archive);
}
END_TEST

START_TEST(archives_without_arrays_or_with_two_of_a_name_are_refused) {
    static const char *const torch[] = {"archive/data.pkl", "archive/version"},
                             *const twice[] = {"a.npy", "b.npy", "a.npy"}, *const bad[] = {"a\xff.npy"},
                             *const mixed[] = {"note.txt", "a.npy"};
    cn_tensors *none, *tensors;
    cn_tensor *archive = archive_of(torch, 2, UINT32_MAX, false);
    ck_fails(load_archive(archive, &none), CN_ERR_FORMAT, "such as torch.save writes");
    ck_assert_ptr_null(none);
    cn_tensor_free(archive);
    archive = archive_of(twice, 3, UINT32_MAX, false);
    ck_fails(load_archive(archive, &none), CN_ERR_FORMAT, "two of its tensors are called 'a'");
    cn_tensor_free(archive);
    archive = archive_of(bad, 1, UINT32_MAX, false);
    ck_fails(load_archive(archive, &none), CN_ERR_FORMAT, "not UTF-8");
    cn_tensor_free(archive);
    archive = archive_of(mixed, 2, UINT32_MAX, false);
    ck_ok(load_archive(archive, &tensors));
    ck_assert_int_eq(cn_tensors_count(tensors), 1);
    cn_tensors_free(tensors);
    cn_tensor_free(archive);
}
END_TEST

/* A directory that leads to one member again and again. */
START_TEST(archives_whose_members_overlap_are_refused) {
    static const char *const names[] = {"a.npy", "b.npy", "c.npy", "d.npy", "e.npy", "f.npy", "g.npy", "h.npy"};
    cn_tensor *archive = archive_of(names, 8, UINT32_MAX, false);
    unsigned char *bytes = archive->data, *directory = bytes;
    cn_tensors *none;
    while (memcmp(directory, "PK\1\2", 4) != 0)
        directory++;
    size_t begin = (size_t)(directory - bytes), rest = (size_t)archive->count - begin, first = 30 + 5 + 131;
    unsigned char *end = bytes + archive->count - 22;
    for (int i = 0; i < 8; i++)
        memset(directory + i * 51 + 42, 0, 4); /* where the member begins */
    memmove(bytes + first, directory, rest);
    end -= begin - first;
    for (int b = 0; b < 4; b++)
        end[16 + b] = (unsigned char)(first >> 8 * b);
    archive->count -= (int64_t)(begin - first);
    ck_fails(load_archive(archive, &none), CN_ERR_FORMAT, "more bytes than the archive");
    cn_tensor_free(archive);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tensors_archives");
    TCase *group = model_files_group(suite);
    tcase_add_test(group, archives_of_wide_fields_are_written_and_read);
    tcase_add_test(group, many_members_are_written_and_read);
    tcase_add_test(group, archives_without_arrays_or_with_two_of_a_name_are_refused);
    tcase_add_test(group, archives_whose_members_overlap_are_refused);
    return test_run(suite);
}
