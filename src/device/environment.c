#include "environment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "report.h"

void set_variable(const char *name, const char *value)
{
    if (setenv(name, value, 1))
        die(EXIT_LAUNCHER, "setenv: %s: %s", name, strerror(errno));
}

void set_number(const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    set_variable(name, text);
}

void apply_environment(const struct options *options)
{
    for (size_t i = 0; i < options->env.count; i++)
        if (putenv(options->env.items[i]))
            die(EXIT_LAUNCHER, "putenv: %s", strerror(errno));
    set_variable("RTNODE_LAUNCHED", "1");
    if (options->rttime && startup_of(options) > options->rttime)
        set_number("RTNODE_RTTIME", rttime_of(options->rttime).soft);
    else
        /* A launched program that launches another one has it in its own environment. */
        unsetenv("RTNODE_RTTIME");
    if (options->lock_memory)
        preload(options);
}
