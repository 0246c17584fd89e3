#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "apply.h"
#include "report.h"

enum { LIST_SIZE = 128 };

/* The list format of /proc/PID/status, for messages; cut off when it is long. */
static const char *list_of(const cpu_set_t *cpus, char text[LIST_SIZE])
{
    size_t used = 0;
    text[0] = '\0';
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && used < LIST_SIZE; cpu++) {
        if (!CPU_ISSET(cpu, cpus))
            continue;
        unsigned last = cpu;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus))
            last++;
        const char *comma = used ? "," : "";
        int length = last == cpu ? snprintf(text + used, LIST_SIZE - used, "%s%u", comma, cpu)
                                 : snprintf(text + used, LIST_SIZE - used, "%s%u-%u", comma, cpu, last);
        used += (size_t)length;
        cpu = last;
    }
    return text;
}

/* Why sched_setaffinity said no, and what helps. */
static void explain(const char *wanted, int error)
{
    if (error != EINVAL) {
        problem("sched_setaffinity: CPUs %s: %s%s", wanted, strerror(error), filter_hint(error));
        return;
    }
    char text[LIST_SIZE];
    cpu_set_t now;
    const char *allowed = sched_getaffinity(0, sizeof now, &now) ? strerror(errno) : list_of(&now, text);
    problem("sched_setaffinity: Invalid argument: none of the CPUs %s is online and in this process's cpuset (allowed "
            "now: %s); change cpus, or AllowedCPUs= of the slice",
            wanted, allowed);
}

void apply_affinity(const struct options *options)
{
    if (!options->has_cpus)
        return;
    char wanted[LIST_SIZE], got[LIST_SIZE];
    list_of(&options->cpus, wanted);
    if (sched_setaffinity(0, sizeof options->cpus, &options->cpus)) {
        explain(wanted, errno);
        return;
    }
    cpu_set_t after;
    if (sched_getaffinity(0, sizeof after, &after))
        problem("sched_getaffinity: CPUs %s cannot be read back: %s%s", wanted, strerror(errno),
                filter_hint(errno));
    else if (!CPU_EQUAL(&options->cpus, &after))
        problem("sched_getaffinity: the kernel gave CPUs %s of %s: the others are offline or outside of the cpuset; "
                "change cpus, or AllowedCPUs= of the slice",
                list_of(&after, got), wanted);
}
