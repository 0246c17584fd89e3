/*
 * The statistics of a node, /run/rtnode/NAME.stats: one struct stats that the node writes and anybody may map and read
 * while it runs. The layout is fixed; one that differs gets another magic.
 *
 * `sequence` is odd while the node writes. Whoever wants a consistent copy reads it, copies, reads it again, and starts
 * over when it was odd or has changed (stats_copy).
 */
#ifndef RTNODE_STATS_H
#define RTNODE_STATS_H

#include <stdint.h>

#include "histogram.h"

#define STATS_MAGIC "rtnstat1"

/* Where a node is. */
enum { STATS_RUNNING = 1, STATS_ENDED = 2 };

struct stats {
    char magic[8];
    uint32_t size; /* of this struct */
    uint32_t pid;
    char identity[128]; /* of this start of the node: UUID:module:hardware address; ends with a NUL */
    uint64_t sequence;
    uint64_t state;
    uint64_t period; /* nanoseconds; 0: no periodic loop */
    uint64_t began;  /* nanoseconds of CLOCK_MONOTONIC */
    uint64_t cycles, overruns;
    uint64_t minor_faults, major_faults, involuntary_switches, migrations;
    uint64_t collections, garbage;
    uint64_t lost_lines; /* of the log */
    struct histogram wakeup, execution;
};

/* Maps a new file for a node, whose identity may be NULL; -errno, or 0. It appears under its name when it is whole. */
int stats_create(const char *name, const char *identity, struct stats **stats);

/* Copies what is in `file` while its node may be writing. 0; -EAGAIN when it wrote too often; -EPROTO for another layout. */
int stats_copy(const struct stats *file, struct stats *copy);

/* The same, of all that comes before `execution`: half as much to copy. */
int stats_copy_wakeups(const struct stats *file, struct stats *copy);

#endif
