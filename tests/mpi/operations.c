/* SPDX-License-Identifier: MIT */
/* operations.c: what libconvnet-mpi's communicator does, by itself, as a program that mpirun starts.
 *
 *     operations [WORDS]      all operations on blocks of so many times 8 bytes (1000)
 *     operations own          MPI is initialised by this program, and its odd ranks are a group of their own
 *     operations single       the same with MPI_THREAD_SINGLE, which is refused
 *     operations thread       MPI_THREAD_FUNNELED, and a call from another thread, which is refused
 *     operations abort        rank 1 ends all
 *
 * Rank 0 prints "ok"; what is wrong is printed and ends with code 1. */
#include <convnet-mpi.h>
#include <mpi.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cn_communicator c = CN_COMMUNICATOR_INIT;

static void fail(const char *format, ...) {
    char text[512];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (c.abort)
        c.abort(c.user, CN_ERR_STATE, text);
    fprintf(stderr, "%s\n", text);
    exit(1);
}

static void check(cn_status status, const char *what) {
    if (status != CN_OK)
        fail("%s: %d, %s", what, (int)status, cn_mpi_last_error());
}

static void check_refused(cn_status got, cn_status wanted, const char *part) {
    if (got != wanted || !strstr(cn_mpi_last_error(), part))
        fail("wanted status %d and '%s', got %d and '%s'", (int)wanted, part, (int)got, cn_mpi_last_error());
}

/* Until it is done, in slices, as the library does it. */
static void finish(void *request) {
    for (int done = 0, n = 0; !done; n++)
        check(c.wait(c.user, request, n ? 0.1 : 0.0, &done), "wait");
}

/* What rank `from` sends to rank `to` at `i` in operation `n`. */
static uint64_t word(int n, int from, int to, size_t i) {
    return ((uint64_t)n << 56) + ((uint64_t)from << 48) + ((uint64_t)to << 40) + i;
}

enum { EVERYBODY = 255 };

static uint64_t *memory(size_t words) {
    uint64_t *p = malloc(8 * words);
    if (!p)
        fail("no memory for %zu words", words);
    return p;
}

static void compare(const uint64_t *got, int n, int from, int to, size_t words) {
    for (size_t i = 0; i < words; i++)
        if (got[i] != word(n, from, to, i))
            fail("rank %d, operation %d, from rank %d, word %zu: %llx", c.rank, n, from, i, (unsigned long long)got[i]);
}

typedef struct operation {
    uint64_t *send, *receive;
    void *request;
} operation;

static operation begin(int n, size_t words) {
    size_t ranks = (size_t)c.ranks;
    operation o = {memory(n % 3 == 1 ? words * ranks : words), memory(words * ranks), NULL};
    for (size_t to = 0; n % 3 == 1 && to < ranks; to++)
        for (size_t i = 0; i < words; i++)
            o.send[to * words + i] = word(n, c.rank, (int)to, i);
    for (size_t i = 0; n % 3 != 1 && i < words; i++)
        o.send[i] = word(n, c.rank, EVERYBODY, i);
    if (n % 3 == 0)
        check(c.all_gather(c.user, o.send, o.receive, 8 * words, &o.request), "all_gather");
    else if (n % 3 == 1)
        check(c.all_to_all(c.user, o.send, o.receive, 8 * words, &o.request), "all_to_all");
    else
        check(c.broadcast(c.user, o.send, 8 * words, &o.request), "broadcast");
    return o;
}

static void end(operation *o, int n, size_t words) {
    finish(o->request);
    for (int from = 0; n % 3 != 2 && from < c.ranks; from++)
        compare(o->receive + (size_t)from * words, n, from, n % 3 == 1 ? c.rank : EVERYBODY, words);
    if (n % 3 == 2)
        compare(o->send, n, 0, EVERYBODY, words);
    free(o->send);
    free(o->receive);
}

/* As many under way as there may be, of all kinds. */
static void test_operations(size_t words) {
    enum { OPERATIONS = CN_MAX_REQUESTS + 7 };
    operation o[OPERATIONS];
    int under_way = words > 1000000 ? 1 : CN_MAX_REQUESTS;
    void *request;
    for (int n = 0; n < OPERATIONS; n++) {
        if (n >= under_way)
            end(&o[n - under_way], n - under_way, words);
        o[n] = begin(n, words);
    }
    if (under_way == CN_MAX_REQUESTS)
        check_refused(c.broadcast(c.user, o[0].send, 8, &request), CN_ERR_STATE, "more than 64 operations");
    for (int n = OPERATIONS - under_way; n < OPERATIONS; n++)
        end(&o[n], n, words);
    o[0] = begin(0, words);
    for (int n = 1; n < (under_way > 1 ? OPERATIONS : 2); n++) { /* beside one that is ended last */
        o[1] = begin(n, words);
        end(&o[1], n, words);
    }
    end(&o[0], 0, words);
    check_refused(c.broadcast(c.user, &request, 12, &request), CN_ERR_ARGUMENT, "12 bytes are not a multiple of 8");
    check_refused(c.broadcast(c.user, &request, (size_t)1 << 40, &request), CN_ERR_ARGUMENT, "up to 16 GiB");
}

static void *call_from_a_thread(void *unused) {
    void *request;
    uint64_t data = 0;
    check_refused(c.broadcast(c.user, &data, 8, &request), CN_ERR_STATE, "only the thread that did that");
    return unused;
}

static void test_own(int level) {
    MPI_Comm half;
    int rank, ranks, provided;
    MPI_Init_thread(NULL, NULL, level, &provided);
    if (level == MPI_THREAD_SINGLE && provided == level) {
        check_refused(cn_mpi_new(NULL, &c), CN_ERR_STATE, "MPI_THREAD_SINGLE");
        MPI_Comm_rank(MPI_COMM_WORLD, &rank);
        c.rank = rank;
        return;
    }
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &half);
    check(cn_mpi_new(&half, &c), "cn_mpi_new");
    MPI_Comm_free(&half); /* it has a duplicate */
    if (c.rank != rank / 2 || c.ranks != (ranks + 1 - rank % 2) / 2)
        fail("rank %d of %d is rank %d of %d", rank, ranks, c.rank, c.ranks);
    test_operations(100);
    pthread_t thread;
    if (provided == MPI_THREAD_FUNNELED && pthread_create(&thread, NULL, call_from_a_thread, NULL) == 0)
        pthread_join(thread, NULL);
    cn_mpi_free(&c);
    c.rank = rank;
}

/* Before MPI_Finalize, which not every MPI always comes out of. */
static void say_ok(void) {
    if (c.rank == 0)
        printf("ok, %s\n", cn_mpi_library());
    fflush(stdout);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "1000";
    cn_communicator old = {.size = 16};
    check_refused(cn_mpi_new(NULL, NULL), CN_ERR_ARGUMENT, "is NULL");
    check_refused(cn_mpi_new(NULL, &old), CN_ERR_VERSION, "of 16 bytes");
    cn_mpi_free(NULL);
    cn_mpi_free(&old);
    if (strcmp(what, "own") == 0 || strcmp(what, "single") == 0 || strcmp(what, "thread") == 0) {
        test_own(*what == 'o' ? MPI_THREAD_MULTIPLE : *what == 's' ? MPI_THREAD_SINGLE : MPI_THREAD_FUNNELED);
        say_ok();
        MPI_Finalize();
    } else {
        check(cn_mpi_new(NULL, &c), "cn_mpi_new");
        if (strcmp(what, "abort") == 0) {
            void *request;
            uint64_t data = 0;
            if (c.rank == 1)
                c.abort(c.user, CN_ERR_MEMORY, "rank 1: no memory");
            check(c.all_gather(c.user, &data, memory((size_t)c.ranks), 8, &request), "all_gather");
            finish(request);
        }
        test_operations((size_t)strtoull(what, NULL, 10));
        if (cn_mpi_threads(&c) < 1)
            fail("%d threads", cn_mpi_threads(&c));
        say_ok();
        cn_mpi_free(&c);
    }
    return 0;
}
