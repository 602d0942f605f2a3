/* SPDX-License-Identifier: MIT */
/* compare.c: convnet-compare, which lays runs over each other, as convnet-train has left them, and says what tells them
 * apart.
 *
 * Introduces histories of one's own and charts of several runs.
 */
#include "common/comparison.h"
#include "common/ranks.h"
#include <sys/stat.h>

static const char *directory;

static argument arguments[] = {
    TEXT("out", "DIR", &directory, "where report.html and curves.svg go; made if it is not there"),
    OUTPUT_ARGUMENTS,
    END_OF_ARGUMENTS,
};

static const program_spec compare_program = {
    .name = "convnet-compare",
    .about = "Compares runs of convnet-train: their curves over each other, their settings that differ, their best "
             "figures, and "
             "which differences are more than chance. A RUN is the folder of a --report or, without its settings, the "
             "CSV file "
             "of a --log.",
    .operand = "RUN...",
    .arguments = arguments,
    .json = comparison_members,
    .notes = "Runs whose settings differ by the seed alone are one group: of such there are means and deviations, and "
             "groups are compared seed by seed.\n"
             "\n"
             "Examples:\n"
             "  convnet-compare report-a report-b --out comparison\n"
             "\n"
             "  mkdir -p runs\n"
             "  for norm in group layer batch; do for seed in 1 2 3 4 5; do\n"
             "    convnet-train --data cifar10:DIR --norm $norm --seed $seed --report runs/$norm-$seed\n"
             "  done; done\n"
             "  convnet-compare runs/* --out comparison\n"
             "\n"
             "Exit codes: 0 compared; 1 something failed; 2 a mistake on the command line.\n",
};

/* One run is no repetition of itself. */
static void refuse_twice(int count, char **paths) {
    struct stat a, b;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < i; k++)
            if (stat(paths[k], &a) == 0 && stat(paths[i], &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
                complain_usage("'%s' and '%s' are one run, and a run is no repetition of itself: name it once",
                               paths[k], paths[i]);
}

static bool read_runs(comparison *c, int count, char **paths) {
    for (int i = 0; i < count; i++)
        if (!comparison_add(c, paths[i]))
            return false;
    return comparison_sort(c);
}

/* The page of a run by that of the comparison. */
static void refuse_to_replace(int count, char **paths) {
    char *history = directory ? path_join(directory, HISTORY_FILE) : NULL;
    for (int i = 0; i < count; i++) {
        files_must_differ((named_file[]){{"--out", directory}, {"RUN", paths[i]}}, 2);
        files_must_differ((named_file[]){{"--out", history}, {"RUN", paths[i]}}, 2);
    }
    free(history);
}

int main(int argc, char **argv) {
    int code = EXIT_FAILURE, count = arguments_read_several(&compare_program, argc, argv);
    comparison *c = calloc(1, sizeof *c);
    refuse_to_replace(count, argv);
    refuse_twice(count, argv);
    if (!c)
        complain("no memory for a comparison");
    else if (ranks_absent() &&
             (!directory || report_folder(directory, (const char *const[]){"report.html", "curves.svg", NULL})) &&
             program_context(1, CN_CONV_AUTO, NULL, &c->context) == CN_OK && read_runs(c, count, argv)) {
        comparison_print(c);
        if (output_json)
            comparison_json(c);
        if (!directory || comparison_report(c, directory))
            code = EXIT_SUCCESS;
    }
    if (c) {
        comparison_free(c);
        cn_context_free(c->context);
    }
    free(c);
    return program_end(code);
}
