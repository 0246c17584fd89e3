/* The launch options: the same words on the command line (`--priority 40`) and in a config file (`priority 40`). */
#ifndef RTNODE_OPTIONS_H
#define RTNODE_OPTIONS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A list of strings that grows; `items` always ends with a null pointer. */
struct strings {
    char **items;
    size_t count;
};

struct options {
    int policy; /* SCHED_*, or -1: leave it as it is */
    bool has_nice;
    int nice;
    uint32_t priority;                  /* 0: not given */
    uint64_t runtime, deadline, period; /* nanoseconds, 0: not given; the period is never 0 for policy deadline */
    bool has_cpus;
    cpu_set_t cpus;
    bool lock_memory;
    uint64_t stack, heap;     /* bytes to touch before main */
    uint64_t rttime, startup; /* nanoseconds, 0: not given */
    bool keep_on_fork; /* the policy: by default it is reset */
    bool keep_core;    /* RLIMIT_CORE: by default it is 0 for what is real-time or locked */
    bool strict, warn;
    bool require_rt_kernel;
    bool from_file; /* a config file was read, which says all that the program is to have */
    bool notifies;  /* the program says when its start-up is over, as the SDKs do */
    bool is_own;    /* the program lies beside its config file: it came with the node, and is no interpreter */
    char *library; /* NULL: beside rt-launch */
    char *folder;  /* NULL: stay in this one */
    struct strings env;
    struct strings argv; /* the program and its arguments; empty: none given */
};

/* Reads the command line, and the config file that it names; leaves with EXIT_LAUNCHER and file:line on a mistake. */
void read_options(struct options *options, int argc, char **argv);

/* Adds to the end of a list. */
void append(struct strings *list, char *item);

#endif
