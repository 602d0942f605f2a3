/* SPDX-License-Identifier: MIT */
/* run_test.c: the test images, looked at once more in the end, by the model as it is left. */
#include "run.h"

/* Where epochs were tested on others, the first and only look. */
static void print_result(const run *r) {
    char text[METRIC_TEXT];
    double metric = cn_evaluation_metric(r->evaluation, 0, r->task.metric);
    printf("Test %s %s, loss %.4f, of the model that is left; nothing was chosen by the test images\n",
           cn_metric_name(r->task.metric), metric_text(r->task.metric, metric, text),
           cn_evaluation_loss(r->evaluation));
}

void run_test(run *r) {
    cn_evaluation_options options = CN_EVALUATION_OPTIONS_INIT;
    options.loss = r->task.loss;
    options.communicator = ranks_communicator(&r->ranks);
    if (cn_evaluation_new(r->model, r->test, &options, &r->evaluation) != CN_OK) {
        if (ranks_speaks(&r->ranks))
            complain_library("cannot measure the test images");
        r->failed = true;
        return;
    }
    if (r->validation)
        print_result(r);
    if (r->misclassified > 0) {
        putchar('\n');
        print_misclassified(r->evaluation, r->test, r->misclassified);
    }
}
