#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "apply.h"
#include "report.h"

/* A program uses more stack than what is touched for it: arguments, environment and the loader stand there too. */
static const rlim_t stack_margin = 1 << 20;

static const char *text_of(rlim_t value, char *text, size_t size)
{
    if (value == RLIM_INFINITY)
        return "unlimited";
    snprintf(text, size, "%" PRIu64, (uint64_t)value);
    return text;
}

static void set_limit(__rlimit_resource_t resource, const char *name, struct rlimit wanted, const char *remedy)
{
    char wanted_text[24], got_text[24];
    struct rlimit before = {0}, after = {0};
    getrlimit(resource, &before);
    if (setrlimit(resource, &wanted)) {
        problem("setrlimit: %s: the hard limit %s is %s, %s was asked; %s", strerror(errno), name,
                text_of(before.rlim_max, got_text, sizeof got_text),
                text_of(wanted.rlim_max, wanted_text, sizeof wanted_text), remedy);
        return;
    }
    getrlimit(resource, &after);
    if (after.rlim_cur != wanted.rlim_cur || after.rlim_max != wanted.rlim_max)
        problem("getrlimit: %s reads back as %s, %s was set", name, text_of(after.rlim_cur, got_text, sizeof got_text),
                text_of(wanted.rlim_cur, wanted_text, sizeof wanted_text));
}

struct rttime rttime_of(uint64_t ns)
{
    /* The kernel takes microseconds and counts clock ticks (setrlimit(2), sched/rt.c): round up, never to 0. */
    uint64_t us = ns / 1000 + (ns % 1000 != 0);
    return (struct rttime){.soft = us, .hard = 2 * us};
}

static void limit_rttime(const struct options *options)
{
    if (!options->rttime)
        return;
    uint64_t ns = options->startup > options->rttime ? options->startup : options->rttime;
    struct rttime limit = rttime_of(ns);
    set_limit(RLIMIT_RTTIME, "RLIMIT_RTTIME", (struct rlimit){.rlim_cur = limit.soft, .rlim_max = limit.hard},
              "ask for less, or raise LimitRTTIME= of the unit");
}

/* As much as the hard limit gives; whether that is enough is seen by mlockall, in the library. */
static void raise_memlock(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit))
        return;
    if (!setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}))
        return;
    limit.rlim_cur = limit.rlim_max;
    set_limit(RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK", limit, "raise memlock in limits.d, or LimitMEMLOCK= of the unit");
}

/* Touching more than RLIMIT_STACK would end the program with SIGSEGV. */
static void raise_stack(uint64_t bytes)
{
    struct rlimit limit;
    rlim_t needed = bytes + stack_margin;
    if (getrlimit(RLIMIT_STACK, &limit) || limit.rlim_cur >= needed)
        return;
    limit.rlim_cur = needed;
    if (limit.rlim_max < needed)
        limit.rlim_max = needed;
    set_limit(RLIMIT_STACK, "RLIMIT_STACK", limit, "ask for less, or raise LimitSTACK= of the unit");
}

/* The scheduler asks the soft limit; a shell or a session may have lowered it below the hard one. */
static void raise_soft(__rlimit_resource_t resource, const char *name)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    set_limit(resource, name, limit, "raise it in limits.d or in the unit");
}

void apply_limits(const struct options *options)
{
    limit_rttime(options);
    if (options->priority)
        raise_soft(RLIMIT_RTPRIO, "RLIMIT_RTPRIO");
    if (options->nice < 0)
        raise_soft(RLIMIT_NICE, "RLIMIT_NICE");
    if (!options->lock_memory)
        return;
    raise_memlock();
    raise_stack(options->stack);
}
