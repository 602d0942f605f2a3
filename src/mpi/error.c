/* SPDX-License-Identifier: MIT */
/* error.c: what went wrong, thread by thread, and which MPI this is. */
#include "ranks.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[512];

cn_status cn_mpi__error(cn_status status, const char *format, ...) {
    va_list values;
    va_start(values, format);
    vsnprintf(message, sizeof message, format, values);
    va_end(values);
    return status;
}

cn_status cn_mpi__check(int code, const char *call) {
    char text[MPI_MAX_ERROR_STRING + 1] = "";
    int length = 0;
    if (code == MPI_SUCCESS)
        return CN_OK;
    if (MPI_Error_string(code, text, &length) != MPI_SUCCESS)
        text[0] = '\0';
    return cn_mpi__error(CN_ERR_COMMUNICATION, "%s: %.400s", call, *text ? text : "an unknown error");
}

const char *cn_mpi_last_error(void) {
    return message;
}

/* The first line, up to the first comma, which is all that Open MPI and MPICH have in common. */
const char *cn_mpi_library(void) {
    static _Thread_local char name[MPI_MAX_LIBRARY_VERSION_STRING + 1];
    int length = 0;
    if (MPI_Get_library_version(name, &length) != MPI_SUCCESS || !*name)
        return "an unknown MPI";
    name[strcspn(name, ",\n")] = '\0';
    for (char *c = name; *c; c++)
        *c = *c == '\t' ? ' ' : *c;
    return name;
}
