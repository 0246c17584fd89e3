#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "apply.h"
#include "report.h"
#include "values.h"

/* A program uses more stack than what is touched for it: arguments, environment and the loader stand there too. */
static const rlim_t stack_margin = 1 << 20;

/* A limit of the program. */
struct resource {
    __rlimit_resource_t number;
    const char *name;
    const char *remedy; /* when the hard one is too low; none where no more than that is asked */
};

static const char *text_of(rlim_t value, char text[24])
{
    if (value == RLIM_INFINITY)
        strcpy(text, "unlimited");
    else
        snprintf(text, 24, "%" PRIu64, (uint64_t)value);
    return text;
}

/* False, and a problem was reported, when it cannot be had. */
static bool get_limit(const struct resource *resource, struct rlimit *limit)
{
    if (!getrlimit(resource->number, limit))
        return true;
    problem("getrlimit: %s: %s%s", resource->name, strerror(errno), filter_hint(errno));
    return false;
}

static void explain(const struct resource *resource, rlim_t wanted, int error)
{
    char wanted_text[24];
    struct rlimit before;
    text_of(wanted, wanted_text);
    if (getrlimit(resource->number, &before) || before.rlim_max >= wanted) {
        problem("setrlimit: %s of %s: %s%s", resource->name, wanted_text, strerror(error), filter_hint(error));
        return;
    }
    char before_text[24];
    problem("setrlimit: %s: the hard limit %s is %s, %s was asked; %s", strerror(error), resource->name,
            text_of(before.rlim_max, before_text), wanted_text, resource->remedy);
}

static void read_back(const struct resource *resource, const struct rlimit *wanted)
{
    struct rlimit got;
    if (!get_limit(resource, &got) || (got.rlim_cur == wanted->rlim_cur && got.rlim_max == wanted->rlim_max))
        return;
    char texts[4][24];
    problem("getrlimit: %s reads back as %s (hard %s), %s (hard %s) was set", resource->name,
            text_of(got.rlim_cur, texts[0]), text_of(got.rlim_max, texts[1]), text_of(wanted->rlim_cur, texts[2]),
            text_of(wanted->rlim_max, texts[3]));
}

static void set_limit(const struct resource *resource, struct rlimit wanted)
{
    if (setrlimit(resource->number, &wanted))
        explain(resource, wanted.rlim_max, errno);
    else
        read_back(resource, &wanted);
}

struct rttime rttime_of(uint64_t ns)
{
    /* The kernel takes microseconds and counts clock ticks (setrlimit(2), sched/rt.c): round up, never to 0. */
    uint64_t us = ns / 1000 + (ns % 1000 != 0);
    return (struct rttime){.soft = us, .hard = 2 * us};
}

bool starts_at_once(const struct options *options)
{
    return options->is_own && !options->notifies;
}

uint64_t startup_of(const struct options *options)
{
    /* With locked memory librtnode.so says so, once it has touched stack and heap, which takes long. */
    return starts_at_once(options) && !options->lock_memory ? 0 : options->startup;
}

static void limit_rttime(const struct options *options)
{
    static const struct resource rttime = {RLIMIT_RTTIME, "RLIMIT_RTTIME",
                                           "ask for less, or raise LimitRTTIME= of the unit"};
    uint64_t startup = startup_of(options);
    uint64_t ns = startup > options->rttime ? startup : options->rttime;
    struct rttime limit = rttime_of(ns);
    set_limit(&rttime, (struct rlimit){.rlim_cur = limit.soft, .rlim_max = limit.hard});
}

/* The kernel asks the soft limit; a shell or a session may have lowered it below the hard one. */
static void raise_soft(__rlimit_resource_t number, const char *name)
{
    struct resource resource = {number, name, ""};
    struct rlimit limit;
    if (!get_limit(&resource, &limit) || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    set_limit(&resource, limit);
}

/* As much as the hard limit gives; whether that is enough is seen by mlockall, in the library. */
static void raise_memlock(void)
{
    static const struct resource memlock = {RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK", ""};
    struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_MEMLOCK, &unlimited))
        raise_soft(RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK");
    else
        read_back(&memlock, &unlimited);
}

/* Touching more than there is would end this program or, when memory runs out, another one. */
static void check_memory(const struct options *options)
{
    struct sysinfo system;
    if (sysinfo(&system)) {
        problem("sysinfo: %s: nothing says that there is memory for stack and heap", strerror(errno));
        return;
    }
    uint64_t memory = (uint64_t)system.totalram * system.mem_unit;
    if (options->stack > memory || options->heap > memory - options->stack)
        die(EXIT_LAUNCHER, "sysinfo: this machine has %" PRIu64 " bytes of memory, stack %" PRIu64 " and heap %" PRIu64
                           " cannot be touched; ask for less",
            memory, options->stack, options->heap);
}

/* Touching more than RLIMIT_STACK would end the program with SIGSEGV. */
static void raise_stack(const struct options *options)
{
    static const struct resource stack = {RLIMIT_STACK, "RLIMIT_STACK",
                                          "ask for less, or raise LimitSTACK= of the unit"};
    struct rlimit limit;
    rlim_t needed = options->stack + stack_margin;
    if (!get_limit(&stack, &limit) || limit.rlim_cur >= needed)
        return;
    limit.rlim_cur = needed;
    if (limit.rlim_max < needed)
        limit.rlim_max = needed;
    set_limit(&stack, limit);
}

/* Writing locked memory to the disk at the priority of the program would outlast every deadline. */
static void forbid_core(void)
{
    static const struct resource core = {RLIMIT_CORE, "RLIMIT_CORE", ""};
    set_limit(&core, (struct rlimit){0, 0});
}

/* A node's file without `rttime` means that the node has none. By hand it means that nothing was said: what a session
   has set stays. */
static void lift_rttime(const struct options *options)
{
    if (options->from_file && (options->policy == SCHED_FIFO || options->policy == SCHED_RR))
        raise_soft(RLIMIT_RTTIME, "RLIMIT_RTTIME");
}

void apply_limits(const struct options *options)
{
    if (options->rttime)
        limit_rttime(options);
    else
        lift_rttime(options);
    if (options->priority)
        raise_soft(RLIMIT_RTPRIO, "RLIMIT_RTPRIO");
    if (options->nice < 0)
        raise_soft(RLIMIT_NICE, "RLIMIT_NICE");
    if (options->lock_memory) {
        check_memory(options);
        raise_memlock();
        raise_stack(options);
    }
    if (!options->keep_core && (is_realtime(options->policy) || options->lock_memory))
        forbid_core();
}
