#include "refusal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "capability.h"
#include "report.h"
#include "values.h"

static void explain_deadline(const struct attributes *wanted, int error)
{
    if (error == EBUSY)
        problem("sched_setattr: EBUSY: the kernel's admission test refused the deadline task: the CPUs are booked out; "
                "ask for a smaller runtime/period");
    else if (error == EINVAL)
        problem("sched_setattr: EINVAL: runtime %" PRIu64 " ns, deadline %" PRIu64 " ns, period %" PRIu64
                " ns: the kernel wants 1024 ns of runtime at least, and a period between sched_deadline_period_min_us "
                "and _max_us in /proc/sys/kernel; ask for such times",
                wanted->runtime, wanted->deadline, wanted->period);
    else if (!has_capability(CAP_SYS_NICE))
        problem("sched_setattr: EPERM: policy deadline needs CAP_SYS_NICE (not held), no limit allows it; start as root, "
                "with AmbientCapabilities=CAP_SYS_NICE in the unit, or --cap-add=SYS_NICE of the container");
    else
        problem("sched_setattr: EPERM: policy deadline needs an affinity that spans the root domain; start without "
                "taskset, CPUAffinity= and cpus, or use an exclusive cpuset");
}

/* Neither the rights nor the limits of this process are the cause. */
static void explain_other(const struct attributes *wanted, int error)
{
    if (error == EPERM && is_realtime((int)wanted->policy))
        problem("sched_setattr: EPERM: the rights suffice, so a kernel with CONFIG_RT_GROUP_SCHED=y gives this cgroup "
                "no real-time runtime, or a seccomp filter forbids it; use a kernel without RT_GROUP_SCHED, leave the "
                "container, or take RestrictRealtime= out of the unit");
    else
        problem("sched_setattr: %s: the kernel refused policy %s, priority %" PRIu32 ", nice %" PRId32 "%s",
                strerror(error), policy_name((int)wanted->policy), wanted->priority, wanted->nice, filter_hint(error));
}

/* True when the flag is on and shall go, which a limit cannot allow. */
static bool keeps_reset(const struct attributes *wanted)
{
    struct attributes now;
    return !(wanted->flags & RESET_ON_FORK) && !get_attributes(0, &now) && now.flags & RESET_ON_FORK;
}

void explain_refusal(const struct attributes *wanted, int error)
{
    const char *policy = policy_name((int)wanted->policy);
    bool deadline = wanted->policy == SCHED_DEADLINE;
    if (deadline && (error == EBUSY || error == EINVAL || error == EPERM)) {
        explain_deadline(wanted, error);
        return;
    }
    bool limited = error == EPERM && !has_capability(CAP_SYS_NICE);
    struct rlimit priority, nice;
    if (getrlimit(RLIMIT_RTPRIO, &priority) || getrlimit(RLIMIT_NICE, &nice)) {
        problem("sched_setattr: %s: policy %s was refused; getrlimit: %s", strerror(error), policy, strerror(errno));
    } else if (limited && keeps_reset(wanted)) {
        problem("sched_setattr: EPERM: reset-on-fork is on already, and CAP_SYS_NICE (not held) is needed to take it "
                "off; leave out no-reset-on-fork, or start it as root");
    } else if (limited && is_realtime((int)wanted->policy) && priority.rlim_cur < wanted->priority) {
        problem("sched_setattr: EPERM: RLIMIT_RTPRIO is %" PRIu64 ", policy %s asked for priority %" PRIu32 "; %s",
                (uint64_t)priority.rlim_cur, policy, wanted->priority,
                geteuid() ? "join group realtime and log in again, or set LimitRTPRIO= in the unit"
                          : "root lacks CAP_SYS_NICE: start the container with --cap-add=SYS_NICE or --ulimit "
                            "rtprio=98");
    } else if (limited && !is_realtime((int)wanted->policy) && nice.rlim_cur < (rlim_t)(20 - wanted->nice)) {
        problem("sched_setattr: EPERM: RLIMIT_NICE is %" PRIu64 " (nice %d), policy %s asked for nice %" PRId32
                "; raise nice in limits.d, or LimitNICE= of the unit",
                (uint64_t)nice.rlim_cur, 20 - (int)nice.rlim_cur, policy, wanted->nice);
    } else {
        explain_other(wanted, error);
    }
}
