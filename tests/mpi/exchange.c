/* SPDX-License-Identifier: MIT */
/* exchange.c: what the communicator's operations take here: a line of `operation bytes microseconds` for each size, which
 * is what each rank sends to each other. The time is that of one in a row of ROUNDS (20), of which none can begin before the
 * last has ended everywhere; the median of five rows. docs/scale.md says what to make of it.
 *
 *     mpirun -n 2 exchange [ROUNDS]
 */
#include <convnet-mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ALL_GATHER, ALL_TO_ALL, SIZES = 8, ROWS = 5 };

static cn_communicator c = CN_COMMUNICATOR_INIT;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static void check(cn_status status) {
    if (status != CN_OK)
        c.abort(c.user, status, cn_mpi_last_error());
}

static double row(int operation, int rounds, const void *send, void *receive, size_t bytes) {
    double start = now();
    for (int i = 0; i < rounds; i++) {
        void *request;
        int done = 0;
        check((operation == ALL_GATHER ? c.all_gather : c.all_to_all)(c.user, send, receive, bytes, &request));
        while (!done)
            check(c.wait(c.user, request, 1.0, &done));
    }
    return (now() - start) / rounds;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    static const size_t sizes[SIZES] = {8, 64, 512, 4096, 32768, 262144, 1048576, 4194304};
    double times[ROWS];
    int rounds = argc > 1 ? atoi(argv[1]) : 20;
    if (rounds < 1 || cn_mpi_new(NULL, &c) != CN_OK)
        return fprintf(stderr, "exchange: %s\n", cn_mpi_last_error()), EXIT_FAILURE;
    size_t most = sizes[SIZES - 1] * (size_t)c.ranks;
    void *send = calloc(1, most), *receive = calloc(1, most);
    if (!send || !receive)
        c.abort(c.user, CN_ERR_MEMORY, "exchange: no memory");
    for (int operation = ALL_GATHER; operation <= ALL_TO_ALL; operation++)
        for (int i = 0; i < SIZES; i++) {
            row(operation, 2, send, receive, sizes[i]); /* which opens connections */
            for (int k = 0; k < ROWS; k++)
                times[k] = row(operation, rounds, send, receive, sizes[i]);
            qsort(times, ROWS, sizeof *times, compare);
            if (c.rank == 0)
                printf("%s %zu %.1f\n", operation == ALL_GATHER ? "all_gather" : "all_to_all", sizes[i],
                       times[ROWS / 2]);
        }
    free(send);
    free(receive);
    cn_mpi_free(&c);
    return EXIT_SUCCESS;
}
