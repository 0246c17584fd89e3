#include "cpus.h"

#include <stdio.h>

/* The CPUs of a list such as "0-1,3" in a file of /sys; none when there is no such file. */
static void read_list(const char *path, cpu_set_t *cpus)
{
    CPU_ZERO(cpus);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    unsigned first, last;
    while (fscanf(file, "%u", &first) == 1) {
        last = first;
        int next = fgetc(file);
        if (next == '-' && fscanf(file, "%u", &last) == 1)
            next = fgetc(file);
        for (unsigned cpu = first; cpu <= last && cpu < CPU_SETSIZE; cpu++)
            CPU_SET(cpu, cpus);
        if (next != ',')
            break;
    }
    (void)fclose(file);
}

bool housekeeping_cpus(cpu_set_t *cpus)
{
    cpu_set_t isolated, both;
    read_list("/sys/devices/system/cpu/isolated", &isolated);
    read_list("/sys/devices/system/cpu/online", cpus);
    CPU_AND(&both, cpus, &isolated);
    CPU_XOR(cpus, cpus, &both);
    return CPU_COUNT(&both) > 0 && CPU_COUNT(cpus) > 0;
}
