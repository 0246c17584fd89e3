/* What a node's loop needs of the kernel; in librtnode.so for programs in C and Python, in rtnode.node for Node.js. */
#ifndef RTNODE_RUNTIME_H
#define RTNODE_RUNTIME_H

#include <stdint.h>

#define RTNODE_EXPORT __attribute__((visibility("default")))

/* CLOCK_MONOTONIC in nanoseconds. */
RTNODE_EXPORT uint64_t rtnode_now(void);

/* Sleeps until CLOCK_MONOTONIC reaches `ns`: 0, or EINTR when a signal came first (clock_nanosleep(2)). */
RTNODE_EXPORT int rtnode_sleep_until(uint64_t ns);

/* Says that start-up is over: from now on RLIMIT_RTTIME is what was asked for (rt-launch --startup). 0 or an errno;
   EPROTO when it reads back as something else. Without a launcher it does nothing. */
RTNODE_EXPORT int rtnode_started(void);

#endif
