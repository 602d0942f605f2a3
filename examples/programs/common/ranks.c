/* SPDX-License-Identifier: MIT */
/* ranks.c: finds out by whom the program was started, and loads libconvnet-mpi where it was to be several. It is not
 * linked, so that the programs can be had without MPI. */
#include "ranks.h"
#include <dlfcn.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* ---- what launchers leave in the environment ---- */

static const struct {
    const char *name, *ranks, *rank;
} launchers[] = {
    {"Open MPI's mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
    {"mpirun", "PMI_SIZE", "PMI_RANK"}, /* MPICH, Intel MPI, and srun for them */
    {"mpirun", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"},
    {"srun", "SLURM_STEP_NUM_TASKS",
     "SLURM_PROCID"}, /* of a step: a job's script is one process, whatever SLURM_NTASKS */
};

static int number_of(const char *variable) {
    const char *text = getenv(variable);
    char *end;
    long value = text ? strtol(text, &end, 10) : -1;
    return text && *text && !*end && value >= 0 && value <= INT_MAX ? (int)value : -1;
}

static void find_launcher(ranks *r) {
    for (size_t i = 0; i < COUNT(launchers) && !r->launcher; i++) {
        r->launched_ranks = number_of(launchers[i].ranks);
        r->launched_rank = number_of(launchers[i].rank);
        if (r->launched_ranks > 1 && r->launched_rank >= 0 && r->launched_rank < r->launched_ranks)
            r->launcher = launchers[i].name;
    }
}

bool ranks_find(ranks *r, int argc, char **argv) {
    *r = (ranks){.communicator = CN_COMMUNICATOR_INIT};
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--alone") == 0)
            return true;
    find_launcher(r);
    return !r->launcher || r->launched_rank == 0 || program_is_rank(r->launched_rank);
}

bool ranks_absent(void) {
    ranks r = {.launcher = NULL};
    find_launcher(&r);
    if (r.launcher && r.launched_rank == 0)
        complain(
            "%s has started %d processes, which would all do the same; convnet-train and convnet-test share their work",
            r.launcher, r.launched_ranks);
    return !r.launcher;
}

/* ---- the library ---- */

#define TEXT_OF(value)  TEXT_OF_(value)
#define TEXT_OF_(value) #value
#ifdef __APPLE__
#define LIBRARY "libconvnet-mpi." TEXT_OF(CN_VERSION_MAJOR) ".dylib"
#else
#define LIBRARY "libconvnet-mpi.so." TEXT_OF(CN_VERSION_MAJOR)
#endif

typedef struct functions {
    cn_status (*make)(const void *comm, cn_communicator *ranks);
    void (*release)(cn_communicator *ranks);
    int (*threads)(const cn_communicator *ranks);
    const char *(*last_error)(void);
    const char *(*library)(void);
} functions;

/* Where the programs were installed, should the system not look there. */
static void *load_beside(void) {
    char path[PATH_MAX + sizeof "/../lib/" LIBRARY];
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    if (length <= 0 || length >= PATH_MAX)
        return NULL;
    path[length] = '\0';
    strcpy(strrchr(path, '/'), "/../lib/" LIBRARY);
    return dlopen(path, RTLD_NOW | RTLD_GLOBAL);
}

/* Symbols are for all, since MPI loads parts of its own that want them. */
static void *load(char *error, size_t size) {
    const char *wanted = getenv("CONVNET_MPI");
    bool anywhere = !wanted || !*wanted;
    void *library = dlopen(anywhere ? LIBRARY : wanted, RTLD_NOW | RTLD_GLOBAL);
    const char *why = library ? NULL : dlerror();
    snprintf(error, size, "%s", why ? why : "");
    return library || !anywhere ? library : load_beside();
}

static bool find_functions(void *library, functions *f) {
    const struct {
        const char *name;
        void *target;
    } wanted[] = {
        {"cn_mpi_new", &f->make},        {"cn_mpi_free", &f->release},
        {"cn_mpi_threads", &f->threads}, {"cn_mpi_last_error", &f->last_error},
        {"cn_mpi_library", &f->library},
    };
    for (size_t i = 0; i < COUNT(wanted); i++) {
        void *symbol = dlsym(library, wanted[i].name);
        if (!symbol)
            return false;
        memcpy(wanted[i].target, &symbol, sizeof symbol);
    }
    return true;
}

/* ---- joining ---- */

static bool connect(ranks *r, const functions *f) {
    bool good = f->make(NULL, &r->communicator) == CN_OK;
    if (!good)
        complain("cannot train together: %s", f->last_error());
    else if (r->communicator.ranks != r->launched_ranks && r->launched_rank == 0)
        complain(
            "%s has started %d processes, of which libconvnet-mpi sees %d; it was built for %s, so use the mpirun of "
            "that, or srun's --mpi for it, or another libconvnet-mpi (CONVNET_MPI names the file)",
            r->launcher, r->launched_ranks, r->communicator.ranks, f->library());
    return good && r->communicator.ranks == r->launched_ranks;
}

bool ranks_join(ranks *r) {
    functions f;
    char error[512];
    if (!r->launcher)
        return true;
    r->library = load(error, sizeof error);
    if (!r->library) {
        if (r->launched_rank == 0)
            complain(
                "%s has started %d processes, which train together by libconvnet-mpi, and that is not here (%s); with "
                "--alone each trains by itself",
                r->launcher, r->launched_ranks, error);
        return false;
    }
    if (!find_functions(r->library, &f)) {
        complain("libconvnet-mpi is not of this version");
        return false;
    }
    r->release = f.release;
    if (!connect(r, &f))
        return false;
    r->threads = f.threads(&r->communicator);
    return r->communicator.rank == r->launched_rank || r->communicator.rank == 0 ||
           program_is_rank(r->communicator.rank);
}

const cn_communicator *ranks_communicator(const ranks *r) {
    return r->communicator.ranks > 1 ? &r->communicator : NULL;
}

bool ranks_speaks(const ranks *r) {
    return r->communicator.rank == 0;
}

int ranks_largest(const ranks *r, int value) {
    const cn_communicator *c = &r->communicator;
    int64_t mine = value, *all = c->ranks > 1 ? malloc((size_t)c->ranks * sizeof *all) : NULL;
    void *request;
    int done = 0;
    if (!all)
        return value;
    cn_status status = c->all_gather(c->user, &mine, all, sizeof mine, &request);
    while (status == CN_OK && !done)
        status = c->wait(c->user, request, 1.0, &done);
    for (int i = 0; status == CN_OK && i < c->ranks; i++)
        value = all[i] > value ? (int)all[i] : value;
    free(all);
    return value;
}

void ranks_give_up(const ranks *r) {
    if (ranks_communicator(r))
        r->communicator.abort(r->communicator.user, CN_ERR_STATE, "");
}

enum { PATIENCE = 10 }; /* seconds */

static volatile sig_atomic_t last_code;

static void end_now(int unused) {
    (void)unused;
    _exit(last_code);
}

/* MPI is not unloaded, which not all of its versions survive. Nor do all come out of its end: MPICH before 4.2 may wait there
 * for ever (its pull request 6596), when all has been done. */
void ranks_leave(const ranks *r, int code) {
    cn_communicator communicator = r->communicator;
    if (!r->release)
        return;
    fflush(NULL);
    (void)ranks_largest(r, 0); /* all have come to their end */
    last_code = code;
    signal(SIGALRM, end_now);
    alarm(PATIENCE);
    r->release(&communicator);
    alarm(0);
}
