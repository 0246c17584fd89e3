/* Lists of CPUs as the kernel writes them. */
#ifndef RTNODE_CPUS_H
#define RTNODE_CPUS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <stdbool.h>

/* The online CPUs that are not isolated (isolcpus=); false when none is isolated, or nothing would be left. */
bool housekeeping_cpus(cpu_set_t *cpus);

#endif
