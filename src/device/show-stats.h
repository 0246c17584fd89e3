/* The statistics of a node for rt-launch show: its file is found by the process that writes it. */
#ifndef RTNODE_SHOW_STATS_H
#define RTNODE_SHOW_STATS_H

#include <stdbool.h>
#include <sys/types.h>

#include "stats.h"

/* A consistent copy of what the process publishes; false when it publishes nothing that this user may read. */
bool find_stats(pid_t pid, struct stats *copy);

/* As one JSON object; with `bins` the histograms too: [limit in microseconds, count] of each bin that is not empty. */
void put_stats_json(const struct stats *stats, bool bins);

/* As a few lines of text. */
void print_stats(const struct stats *stats);

#endif
