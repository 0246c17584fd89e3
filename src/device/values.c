#include "values.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "report.h"

void mistake(const struct source *at, const char *format, ...)
{
    char text[512];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (at->file)
        die(EXIT_LAUNCHER, "%s:%u: %s: %s", at->file, at->line, at->word, text);
    die(EXIT_LAUNCHER, "--%s: %s", at->word, text);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits at the start of `text`; `rest` is what follows. */
static uint64_t digits(const char *text, const char **rest, const struct source *at)
{
    uint64_t value = 0;
    const char *c = text;
    for (; is_digit(*c); c++)
        if (__builtin_mul_overflow(value, 10U, &value) || __builtin_add_overflow(value, (uint64_t)(*c - '0'), &value))
            mistake(at, "'%s' is too large", text);
    if (c == text)
        mistake(at, "'%s' is not a whole number", text);
    *rest = c;
    return value;
}

uint64_t parse_number(const char *text, const struct source *at)
{
    const char *rest;
    uint64_t value = digits(text, &rest, at);
    if (*rest)
        mistake(at, "'%s' is not a whole number", text);
    if (value > INT64_MAX)
        mistake(at, "'%s' is too large", text);
    return value;
}

uint64_t parse_duration(const char *text, const struct source *at)
{
    static const struct {
        const char *unit;
        uint64_t ns;
    } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
    const char *rest;
    uint64_t value = digits(text, &rest, at);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(rest, units[i].unit))
            continue;
        /* sched_setattr(2) refuses times with the highest bit set; a quarter of that leaves room to double. */
        if (__builtin_mul_overflow(value, units[i].ns, &value) || value > UINT64_MAX / 8)
            mistake(at, "'%s' is too long", text);
        if (value == 0)
            mistake(at, "must be longer than 0");
        return value;
    }
    mistake(at, "'%s' is not a time: an integer with ns, us, ms or s", text);
}

static const char *const policies[] = {
    [SCHED_OTHER] = "other", [SCHED_FIFO] = "fifo", [SCHED_RR] = "rr",
    [SCHED_BATCH] = "batch", [SCHED_IDLE] = "idle", [SCHED_DEADLINE] = "deadline",
};

const char *policy_name(int policy)
{
    if (policy == SCHED_EXT)
        return "ext";
    size_t index = (size_t)policy;
    const char *name = policy >= 0 && index < sizeof policies / sizeof *policies ? policies[index] : NULL;
    return name ? name : "unknown";
}

bool is_realtime(int policy)
{
    return policy == SCHED_FIFO || policy == SCHED_RR || policy == SCHED_DEADLINE;
}

int parse_nice(const char *text, const struct source *at)
{
    bool negative = *text == '-';
    const char *rest;
    uint64_t size = digits(text + negative, &rest, at);
    if (*rest || size > (negative ? 20U : 19U))
        mistake(at, "'%s' is not a whole number from -20 to 19", text);
    return negative ? -(int)size : (int)size;
}

void parse_cpus(const char *text, cpu_set_t *cpus, const struct source *at)
{
    CPU_ZERO(cpus);
    for (const char *rest = text;; rest++) {
        uint64_t first = 0, last = 0;
        bool complete = is_digit(*rest);
        if (complete)
            first = last = digits(rest, &rest, at);
        if (complete && *rest == '-') {
            complete = is_digit(rest[1]);
            if (complete)
                last = digits(rest + 1, &rest, at);
        }
        if (!complete || first > last || last >= CPU_SETSIZE || (*rest && *rest != ','))
            mistake(at, "'%s' is not a list of CPUs such as 3 or 0-2,4", text);
        for (uint64_t cpu = first; cpu <= last; cpu++)
            CPU_SET((size_t)cpu, cpus);
        if (!*rest)
            break;
    }
}

int parse_policy(const char *text, const struct source *at)
{
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
        if (policies[i] && !strcmp(policies[i], text))
            return (int)i;
    mistake(at, "'%s' is none of other, batch, idle, fifo, rr, deadline", text);
}
