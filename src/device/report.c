#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "notify.h"

static bool warn;

static void say(const char *prefix, const char *format, va_list values)
{
    char line[1024];
    int start = snprintf(line, sizeof line, "%s", prefix);
    vsnprintf(line + start, sizeof line - (size_t)start, format, values);
    /* One line whatever a file name or a value holds. */
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    fprintf(stderr, "rt-launch: %s\n", line);
    notify_status(line);
}

void die(int status, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    say("", format, values);
    va_end(values);
    exit(status);
}

void problem(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    say(warn ? "warning: " : "", format, values);
    va_end(values);
    if (!warn)
        exit(EXIT_LAUNCHER);
}

const char *filter_hint(int error)
{
    return error == EPERM || error == ENOSYS ? "; a seccomp filter may forbid it: leave the container, or look for "
                                               "SystemCallFilter= in the unit"
                                             : "";
}

void warn_only(void)
{
    warn = true;
}

bool only_warns(void)
{
    return warn;
}
