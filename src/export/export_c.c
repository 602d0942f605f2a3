/* SPDX-License-Identifier: MIT */
/* export_c.c: cn_model_export_c, which writes a model's two C files. */
#include "export/export.h"
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#define MAX_NAME 40

/* ---- names ---- */

static cn_status check_name(const char *name) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", more[] = "0123456789_";
    size_t length = strlen(name), good = 0;
    while (name[good] && (strchr(letters, name[good]) || (good > 0 && strchr(more, name[good]))))
        good++;
    if (length == 0 || length > MAX_NAME || good < length)
        return cn__error(CN_ERR_ARGUMENT,
                         "cn_export_c_options: name is '%.60s', wanted 1 to %d letters, digits and _, a letter first",
                         name, MAX_NAME);
    return CN_OK;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "NAME.c" with a name that an #include can hold. */
static cn_status check_path(const char *path) {
    const char *base = base_name(path);
    size_t length = strlen(base);
    if (length < 3 || strcmp(base + length - 2, ".c") != 0)
        return cn__error(CN_ERR_ARGUMENT, "cn_model_export_c: '%s' does not end in .c", path);
    if (strlen(path) >= CN__MAX_PATH)
        return cn__error(CN_ERR_ARGUMENT, "cn_model_export_c: the path has more than %d bytes", CN__MAX_PATH - 1);
    for (const char *c = base; *c; c++)
        if ((unsigned char)*c < 32 || *c == '"' || *c == '\\' || *c == '?')
            return cn__error(CN_ERR_ARGUMENT, "cn_model_export_c: '%s' cannot be included by its name", base);
    return CN_OK;
}

/* From the file's name, without .c. */
static void default_name(const char *path, char name[MAX_NAME + 1]) {
    char stem[CN__C_NAME], identifier[CN__C_NAME];
    const char *base = base_name(path);
    snprintf(stem, sizeof stem, "%.*s", (int)(strlen(base) - 2), base);
    bool letter = (stem[0] >= 'a' && stem[0] <= 'z') || (stem[0] >= 'A' && stem[0] <= 'Z');
    cn__c_identifier(identifier, letter ? "" : "net_", stem, false);
    snprintf(name, MAX_NAME + 1, "%.*s", MAX_NAME, identifier);
}

/* ---- texts ---- */

static cn_status write_steps(const cn__c_program *p, cn__c_writer *w) {
    char name[CN__C_NAME], place[CN__C_PLACE];
    for (int32_t s = 0; s < p->step_count && w->status == CN_OK; s++)
        cn__c_write_step(w, &p->steps[s]);
    for (int32_t i = 0; i < cn__model_output_count(p->model); i++) {
        int32_t node = cn__model_output_node(p->model, i);
        cn__c_output_name(p->model, i, false, name);
        if (strcmp(cn__c_place(p, node + 1, place), name) == 0)
            continue;
        cn__c_use(w, "copy");
        cn__text_append(&w->body, "    copy(%zu, %s, %s);\n", cn__c_floats(p->model->nodes[node].shape), place, name);
    }
    bool failed = w->functions.failed || w->tables.failed || w->body.failed;
    return w->status == CN_OK && failed ? cn__no_memory("a model as C") : w->status;
}

static cn_status write_program(const cn__c_program *p, cn__c_files *files) {
    cn_context *ctx = p->model->ctx;
    cn__c_expected *expected = NULL;
    cn__c_writer w = {.program = p, .functions = {.ctx = ctx}, .tables = {.ctx = ctx}, .body = {.ctx = ctx}};
    w.used = cn__alloc(ctx, cn__c_function_count(), sizeof *w.used);
    cn_status status = w.used ? write_steps(p, &w) : cn__no_memory("a model as C");
    if (status == CN_OK)
        status = cn__c_expect(p->model, &expected);
    if (status == CN_OK) {
        cn__c_write_header(files, p->scratch_floats);
        cn__c_write_source(files, &w);
        cn__c_write_self_test(files, expected);
        if (files->header.failed || files->source.failed)
            status = cn__no_memory("a model as C");
    }
    cn__free(ctx, expected);
    cn__free(ctx, w.used);
    cn_text_free(w.functions.data);
    cn_text_free(w.tables.data);
    cn_text_free(w.body.data);
    return status;
}

/* ---- files ---- */

static cn_status save(cn_context *ctx, const cn__text *text, const char *path) {
    return cn__replace_file(ctx, path, &(struct iovec){text->data, text->length}, 1);
}

static cn_status export(const cn_model *model, const char *path, const char *name) {
    char header[CN__MAX_PATH];
    cn__c_files files = {.model = model, .name = name, .header = {.ctx = model->ctx}, .source = {.ctx = model->ctx}};
    cn__c_program program;
    snprintf(header, sizeof header, "%.*s.h", (int)(strlen(path) - 2), path);
    files.include = base_name(header);
    cn__c_identifier(files.capitals, "", name, true);
    cn_status status = cn__c_program_make(model, &program);
    if (status == CN_OK)
        status = write_program(&program, &files);
    cn__c_program_drop(&program);
    if (status == CN_OK)
        status = save(model->ctx, &files.header, header);
    if (status == CN_OK)
        status = save(model->ctx, &files.source, path);
    cn_text_free(files.header.data);
    cn_text_free(files.source.data);
    return status;
}

cn_status cn_model_export_c(const cn_model *model, const char *path, const cn_export_c_options *options) {
    CN__COMPUTES;
    cn_export_c_options known = CN_EXPORT_C_OPTIONS_INIT;
    char name[MAX_NAME + 1];
    CN__TRY(cn__model_ready(model, __func__));
    CN__REQUIRE(path);
    CN__TRY(CN__READ_OPTIONS(&known, cn_export_c_options, options));
    CN__TRY(cn__check_reserved("cn_export_c_options", !known.reserved_pointer));
    CN__TRY(check_path(path));
    if (known.name)
        CN__TRY(check_name(known.name));
    else
        default_name(path, name);
    return export(model, path, known.name ? known.name : name);
}
