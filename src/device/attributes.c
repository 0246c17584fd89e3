#include "attributes.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int set_attributes(struct attributes *attributes)
{
    attributes->size = sizeof *attributes;
    return (int)syscall(SYS_sched_setattr, 0, attributes, 0);
}

int get_attributes(pid_t thread, struct attributes *attributes)
{
    memset(attributes, 0, sizeof *attributes);
    return (int)syscall(SYS_sched_getattr, thread, attributes, sizeof *attributes, 0);
}
