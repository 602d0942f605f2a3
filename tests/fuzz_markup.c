/* SPDX-License-Identifier: MIT */
/* fuzz_markup.c: names, titles and numbers in SVG and HTML: the documents are well-formed, whatever they are. */
#include "fuzzing.h"
#include "well_formed.h"

enum { TEXTS = 6 };

/* The text that a call has made. */
static void check(cn_status status, char *text) {
    const char *where = "", *fault = NULL;
    FUZZ_OUTCOME(status, text);
    if (status == CN_OK)
        fault = document_fault(text, &where);
    if (fault)
        fprintf(stderr, "%s: %.60s\n", fault, where);
    FUZZ_EXPECT(!fault);
    cn_text_free(text);
}

/* Statuses and no more: what is refused leaves the page as it was. */
static void add_to_page(cn_page *page, char *const texts[TEXTS], cn_tensor *pictures) {
    const char *const *words = (const char *const *)texts;
    (void)cn_page_heading(page, texts[0]);
    (void)cn_page_paragraph(page, texts[1]);
    (void)cn_page_notice(page, texts[2]);
    (void)cn_page_facts(page, 3, words, words + 3);
    (void)cn_page_table(page, texts[3], 2, 2, words, words + 2);
    (void)cn_page_pictures(page, pictures, words);
}

static void check_page(char *const texts[TEXTS], cn_tensor *pictures, const cn_history *history) {
    cn_page *page;
    char *text = NULL;
    cn_report report = CN_REPORT_INIT;
    FUZZ_EXPECT(cn_page_new(fuzz_context(), texts[5], &page) == CN_OK);
    add_to_page(page, texts, pictures);
    cn_status status = cn_page_html(page, &text);
    check(status, text);
    cn_page_free(page);
    report.title = texts[0];
    report.subtitle = texts[1];
    report.notice = texts[2];
    report.history = history;
    report.setting_names = (const char *const *)texts;
    report.setting_values = (const char *const *)texts + 3;
    report.setting_count = 3;
    status = cn_report_page(fuzz_context(), &report, &text);
    check(status, text);
}

static cn_history *make_history(fuzz_bytes *from, const char *name) {
    cn_history *history;
    FUZZ_EXPECT(cn_history_new(fuzz_context(), name, &history) == CN_OK);
    for (int e = 0; e < 3; e++) {
        cn_epoch_info epoch = CN_EPOCH_INFO_INIT;
        double *const values[] = {&epoch.train_loss,    &epoch.train_accuracy, &epoch.test_loss,   &epoch.test_accuracy,
                                  &epoch.learning_rate, &epoch.train_metric,   &epoch.test_metric, &epoch.seconds};
        epoch.epoch = e + 1;
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            uint64_t bits = (uint64_t)fuzz_number(from, 8);
            memcpy(values[i], &bits, sizeof bits);
        }
        (void)cn_history_add(history, &epoch);
    }
    return history;
}

static void check_charts(const cn_history *history) {
    char *svg = NULL;
    cn_status status = cn_chart_curves(1, &history, &svg);
    check(status, svg);
    for (int metric = CN_METRIC_LOSS; metric <= CN_METRIC_LEARNING_RATE; metric++) {
        status = cn_chart_metric(1, &history, (cn_metric)metric, &svg);
        check(status, svg);
    }
}

FUZZ(markup) {
    fuzz_bytes rest = {data, size};
    char *texts[TEXTS], *svg = NULL;
    cn_tensor *pictures;
    for (int i = 0; i < TEXTS; i++)
        texts[i] = fuzz_text(&rest);
    fuzz_begin();
    FUZZ_EXPECT(cn_tensor_new(fuzz_context(), CN_DTYPE_UINT8, 4, (int64_t[]){3, 1, 2, 2}, &pictures) == CN_OK);
    cn_history *history = make_history(&rest, texts[4]);
    (void)cn_history_set_test_name(history, texts[5]);
    check_charts(history);
    cn_status status = cn_sheet_pictures(pictures, (const char *const *)texts, 0, texts[3], &svg);
    check(status, svg);
    check_page(texts, pictures, history);
    cn_history_free(history);
    cn_tensor_free(pictures);
    fuzz_end();
    for (int i = 0; i < TEXTS; i++)
        free(texts[i]);
    return 0;
}
