/* What a process and its threads really have, asked of the kernel: /proc/PID (proc(5)) and sched_getattr(2). */
#ifndef RTNODE_PROC_H
#define RTNODE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "attributes.h"

enum { MAX_THREADS = 4096 };

struct thread {
    pid_t tid;
    char name[64]; /* any bytes; up to 15 for a program's, more for the kernel's own */
    struct attributes scheduling;
    char cpus[512];      /* the kernel's list format; empty: not known */
    int64_t timer_slack; /* nanoseconds, -1: the kernel does not say */
};

/* An ending process has given its memory back, a kernel thread never had any. */
enum kind { PROGRAM, ENDED, KERNEL };

enum limit_name { LIMIT_RTPRIO, LIMIT_NICE, LIMIT_RTTIME, LIMIT_MEMLOCK, LIMIT_STACK, LIMIT_CORE, LIMITS };

/* RLIM_INFINITY: unlimited. */
struct limit {
    bool known;
    uint64_t soft, hard;
};

struct process {
    pid_t pid;
    enum kind kind;
    int64_t locked;        /* KiB, -1: it has no memory */
    int huge_pages;        /* transparent ones: 0 off, 1 on, -1: the kernel does not say */
    int no_new_privileges; /* the same */
    char capabilities[24]; /* the effective ones in hexadecimal; empty: not known */
    struct limit limits[LIMITS];
    const struct thread *main;
    size_t count;
    struct thread threads[MAX_THREADS]; /* by tid */
};

/* Asks everything, of one and the same process: false when there is none, or it ended meanwhile. Leaves with
   EXIT_LAUNCHER when the kernel does not answer, or `pid` is another process's thread. */
bool read_process(pid_t pid, struct process *process);

#endif
