#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "apply.h"
#include "attributes.h"
#include "refusal.h"
#include "report.h"
#include "values.h"

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

/* Timers of threads that are not real-time fire up to 50 us late without it (prctl(2)). The program's helper threads
   inherit it; real-time threads have none, and newer kernels say 0 for them. */
static void apply_slack(void)
{
    int slack = -1;
    if (prctl(PR_SET_TIMERSLACK, 1UL) || (slack = prctl(PR_GET_TIMERSLACK)) < 0)
        problem("prctl: the timer slack of 1 ns: %s%s", strerror(errno), filter_hint(errno));
    else if (slack > 1)
        problem("prctl: the timer slack reads back as %d ns, 1 ns was set", slack);
}

/* What is not asked for stays as it is. -1 is also a nice value: errno tells. */
static int nice_now(void)
{
    errno = 0;
    int nice = getpriority(PRIO_PROCESS, 0);
    if (errno)
        die(EXIT_LAUNCHER, "getpriority: %s", strerror(errno));
    return nice;
}

void apply_scheduling(const struct options *options)
{
    if (options->policy < 0)
        return;
    if (is_realtime(options->policy))
        apply_slack();
    struct attributes wanted = {
        .policy = (uint32_t)options->policy,
        .flags = options->keep_on_fork ? 0 : RESET_ON_FORK,
        .nice = options->has_nice || is_realtime(options->policy) ? options->nice : nice_now(),
        .priority = options->priority,
        .runtime = options->runtime,
        .deadline = options->deadline,
        .period = options->period,
    };
    if (set_attributes(&wanted)) {
        explain_refusal(&wanted, errno);
        return;
    }
    struct attributes got;
    if (get_attributes(0, &got))
        problem("sched_getattr: policy %s cannot be read back: %s%s", policy_name(options->policy), strerror(errno),
                filter_hint(errno));
    else if (!same(&wanted, &got))
        problem("sched_getattr: policy %s priority %" PRIu32 " nice %" PRId32 " flags %" PRIu64 " read back, policy %s "
                "priority %" PRIu32 " nice %" PRId32 " flags %" PRIu64 " were set",
                policy_name((int)got.policy), got.priority, got.nice, got.flags, policy_name((int)wanted.policy),
                wanted.priority, wanted.nice, wanted.flags);
}
