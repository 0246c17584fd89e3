#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apply.h"
#include "capability.h"
#include "report.h"
#include "values.h"

/* struct sched_attr of sched_setattr(2), first version: glibc has it from 2.41 on, and its own from linux/ clashes there. */
struct attributes {
    uint32_t size; // cppcheck-suppress unusedStructMember ; the kernel reads it
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

enum { RESET_ON_FORK = 1 }; /* SCHED_FLAG_RESET_ON_FORK */

/* The list format of /proc/PID/status, for messages; cut off when it is long. */
static const char *list_of(const cpu_set_t *cpus, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && used < size; cpu++) {
        if (!CPU_ISSET(cpu, cpus))
            continue;
        unsigned last = cpu;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus))
            last++;
        const char *comma = used ? "," : "";
        int length = last == cpu ? snprintf(text + used, size - used, "%s%u", comma, cpu)
                                 : snprintf(text + used, size - used, "%s%u-%u", comma, cpu, last);
        used += (size_t)length;
        cpu = last;
    }
    return text;
}

void apply_affinity(const struct options *options)
{
    if (!options->has_cpus)
        return;
    char wanted[128], got[128];
    cpu_set_t before, after;
    CPU_ZERO(&after);
    sched_getaffinity(0, sizeof before, &before);
    list_of(&options->cpus, wanted, sizeof wanted);
    if (sched_setaffinity(0, sizeof options->cpus, &options->cpus)) {
        problem("sched_setaffinity: %s: none of the CPUs %s is online and in this process's cpuset (allowed now: %s); "
                "change cpus, or AllowedCPUs= of the slice",
                strerror(errno), wanted, list_of(&before, got, sizeof got));
        return;
    }
    if (sched_getaffinity(0, sizeof after, &after) || !CPU_EQUAL(&options->cpus, &after))
        problem("sched_getaffinity: the kernel gave CPUs %s of %s: the others are offline or outside of the cpuset; "
                "change cpus, or AllowedCPUs= of the slice",
                list_of(&after, got, sizeof got), wanted);
}

/* Why sched_setattr said no, and what helps. */
static void explain(const struct options *options, int error)
{
    const char *policy = policy_name(options->policy);
    bool privileged = has_capability(CAP_SYS_NICE);
    struct rlimit limit = {0};
    if (options->policy == SCHED_DEADLINE && error == EBUSY) {
        problem("sched_setattr: EBUSY: the kernel's admission test refused the deadline task: the CPUs are booked out; "
                "ask for a smaller runtime/period");
    } else if (options->policy == SCHED_DEADLINE && error == EPERM) {
        problem("sched_setattr: EPERM: policy deadline needs CAP_SYS_NICE (%s) and an affinity that spans the root "
                "domain; start as root or with AmbientCapabilities=CAP_SYS_NICE, without taskset or cpus",
                privileged ? "held" : "not held");
    } else if (error == EPERM && !privileged && is_realtime(options->policy) && !getrlimit(RLIMIT_RTPRIO, &limit) &&
               limit.rlim_cur < options->priority) {
        problem("sched_setattr: EPERM: RLIMIT_RTPRIO is %" PRIu64 ", policy %s asked for priority %" PRIu32
                "; join group realtime and log in again, or set LimitRTPRIO= in the unit",
                (uint64_t)limit.rlim_cur, policy, options->priority);
    } else if (error == EPERM && is_realtime(options->policy)) {
        problem("sched_setattr: EPERM: the rights suffice, so a kernel with CONFIG_RT_GROUP_SCHED=y gives this cgroup no "
                "real-time runtime, or a seccomp filter forbids it; use a kernel without RT_GROUP_SCHED, or leave the "
                "container");
    } else if (error == EPERM && !privileged && !getrlimit(RLIMIT_NICE, &limit)) {
        problem("sched_setattr: EPERM: RLIMIT_NICE is %" PRIu64 " (nice %d), policy %s asked for nice %d; raise nice in "
                "limits.d, or LimitNICE= of the unit",
                (uint64_t)limit.rlim_cur, 20 - (int)limit.rlim_cur, policy, options->nice);
    } else {
        problem("sched_setattr: %s: the kernel refused policy %s priority %" PRIu32 " nice %d", strerror(error), policy,
                options->priority, options->nice);
    }
}

static bool same(const struct attributes *wanted, const struct attributes *got)
{
    if (wanted->policy != got->policy || wanted->priority != got->priority ||
        (wanted->flags & RESET_ON_FORK) != (got->flags & RESET_ON_FORK))
        return false;
    if (wanted->policy == SCHED_DEADLINE)
        return wanted->runtime == got->runtime && wanted->deadline == got->deadline && wanted->period == got->period;
    /* A real-time thread keeps the nice value it had. */
    return is_realtime((int)wanted->policy) || wanted->nice == got->nice;
}

void apply_scheduling(const struct options *options)
{
    if (options->policy < 0)
        return;
    /* Timers of threads that are not real-time fire up to 50 us late without it (prctl(2)); real-time ones have none. */
    if (is_realtime(options->policy) && (prctl(PR_SET_TIMERSLACK, 1UL) || prctl(PR_GET_TIMERSLACK) > 1))
        problem("prctl: the timer slack of 1 ns did not stick");
    uint64_t period = options->policy == SCHED_DEADLINE && !options->period ? options->deadline : options->period;
    struct attributes wanted = {
        .size = sizeof wanted,
        .policy = (uint32_t)options->policy,
        .flags = options->keep_on_fork ? 0 : RESET_ON_FORK,
        .nice = options->nice,
        .priority = options->priority,
        .runtime = options->runtime,
        .deadline = options->deadline,
        .period = period,
    };
    if (syscall(SYS_sched_setattr, 0, &wanted, 0)) {
        explain(options, errno);
        return;
    }
    struct attributes got = {0};
    if (syscall(SYS_sched_getattr, 0, &got, sizeof got, 0) || !same(&wanted, &got))
        problem("sched_getattr: policy %s priority %" PRIu32 " nice %" PRId32 " flags %" PRIu64 " read back, policy %s "
                "priority %" PRIu32 " nice %" PRId32 " flags %" PRIu64 " were set",
                policy_name((int)got.policy), got.priority, got.nice, got.flags, policy_name((int)wanted.policy),
                wanted.priority, wanted.nice, wanted.flags);
}
