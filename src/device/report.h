/* What rt-launch says: one line per problem, on standard error and in the status line of the unit that it is. */
#ifndef RTNODE_REPORT_H
#define RTNODE_REPORT_H

#include <stdbool.h>

/* Exit statuses, like chroot(1) and env(1). */
enum { EXIT_LAUNCHER = 125, EXIT_CANNOT_EXECUTE = 126, EXIT_NOT_FOUND = 127 };

/* Says what is wrong and leaves with `status`. */
void die(int status, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* Says what could not be had. Leaves with EXIT_LAUNCHER, unless warnings were chosen: then it returns. */
void problem(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The end of a line about a system call that fails for no reason of its own: "" unless the error is one that seccomp
   filters give. */
const char *filter_hint(int error);

/* Problems only warn from now on (--warn). */
void warn_only(void);

/* True when problems only warn. */
bool only_warns(void);

#endif
