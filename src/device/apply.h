/* What the launcher sets for itself so that the program inherits it over exec; every step is read back. */
#ifndef RTNODE_APPLY_H
#define RTNODE_APPLY_H

#include "options.h"

/* RLIMIT_RTTIME, RLIMIT_RTPRIO, RLIMIT_NICE, RLIMIT_MEMLOCK, RLIMIT_STACK, RLIMIT_CORE. */
void apply_limits(const struct options *options);

/* mlockall(2) is lost on exec: tells the loader, through the environment, to put librtnode.so into the program, which
   takes the lock there. */
void preload(const struct options *options);

/* No transparent huge pages for a program that is real-time or locked: the kernel moves and zeroes 2 MiB at a time for
   them, in the middle of a page fault or behind the program's back. */
void apply_huge_pages(const struct options *options);

/* The CPUs the program may run on. */
void apply_affinity(const struct options *options);

/* Policy, priority, nice, deadline parameters, reset-on-fork, timer slack. */
void apply_scheduling(const struct options *options);

/* Keeps the CPUs out of deep idle states for as long as the program lives (a descriptor it inherits). */
void apply_latency(const struct options *options);

/* The running kernel has PREEMPT_RT. */
void check_rt_kernel(void);

/* The limits of RLIMIT_RTTIME, in microseconds: SIGXCPU at the first, SIGKILL at the second. 0: none asked. */
struct rttime {
    uint64_t soft, hard;
};

/*
 * Nothing in the program says when its start-up is over, and there is none to wait for: it is a node's own executable,
 * without the SDK. An interpreter without it is another thing: it needs long before the node's first line.
 */
bool starts_at_once(const struct options *options);

/* For how long the program may run without blocking until something says that its start-up is over: nanoseconds. 0:
   nothing will, and RLIMIT_RTTIME is what it is to be in the loop. */
uint64_t startup_of(const struct options *options);

/* What RLIMIT_RTTIME is to be while the program runs its loop. */
struct rttime rttime_of(uint64_t ns);

#endif
