/* The scheduling attributes of a thread, as sched_setattr(2) has them. */
#ifndef RTNODE_ATTRIBUTES_H
#define RTNODE_ATTRIBUTES_H

#include <stdint.h>
#include <sys/types.h>

/* struct sched_attr, first version: glibc has it from 2.41 on, and its own from linux/ clashes there. */
struct attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period; /* nanoseconds */
};

enum { RESET_ON_FORK = 1 }; /* SCHED_FLAG_RESET_ON_FORK */

/* Gives them to the calling thread. 0, or -1 with errno. */
int set_attributes(struct attributes *attributes);

/* Those of a thread; 0 is the calling one. Needs no privilege. 0, or -1 with errno. */
int get_attributes(pid_t thread, struct attributes *attributes);

#endif
