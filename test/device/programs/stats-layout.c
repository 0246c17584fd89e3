/* Prints where the compiler puts the members of a node's statistics. */
#include <stddef.h>
#include <stdio.h>

#include "stats.h"

#define PLACE(member) printf(#member " %zu\n", offsetof(struct stats, member))

int main(void)
{
    PLACE(magic);
    PLACE(size);
    PLACE(pid);
    PLACE(sequence);
    PLACE(state);
    PLACE(period);
    PLACE(began);
    PLACE(cycles);
    PLACE(overruns);
    PLACE(minor_faults);
    PLACE(major_faults);
    PLACE(involuntary_switches);
    PLACE(migrations);
    PLACE(collections);
    PLACE(garbage);
    PLACE(lost_lines);
    PLACE(wakeup);
    PLACE(wakeup.count);
    PLACE(wakeup.sum);
    PLACE(wakeup.max);
    PLACE(wakeup.bins);
    PLACE(execution);
    printf("end %zu\n", sizeof(struct stats));
    return 0;
}
