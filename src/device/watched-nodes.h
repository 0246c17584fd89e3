/* The nodes of the active release as `rt-launch show --watch` sees them. */
#ifndef RTNODE_WATCHED_NODES_H
#define RTNODE_WATCHED_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "stats.h"

enum { MAX_NODES = 64 };

/* What was seen of a node the last time. Files of the kernel stay open: to open one costs more than to read it. */
struct node {
    char name[64]; /* empty: the place is free */
    bool listed, grouped; /* it is in the release; its service has a control group, so something runs */
    pid_t pid;            /* 0: none */
    int group, cpu_stat, statm; /* files; -1: not open */
    uint64_t cpu;               /* microseconds that its service has run, of all its processes */
    const struct stats *stats;
    ino_t file; /* that is mapped at stats */
    uint64_t cycles, overruns;
    struct histogram wakeup;
};

extern struct node watched[MAX_NODES];

/* What is put before every path; for tests, as rtnodectl has it. */
extern const char *watched_root;

/* Brings `watched` up to date: which nodes there are, and which of them may have processes. */
void list_nodes(void);

/* The statistics that the node publishes now, at `stats`; NULL for none. A start of the node makes a new file. */
void map_stats(struct node *node);
void forget_stats(struct node *node);

void close_kept(int *file);

/* The beginning of a file as text, which is opened when it is not yet; false when it cannot be read, for instance since
   its owner is gone. */
bool read_kept(int *file, const char *path, char *text, size_t size);

/* The same of a file of the control group that systemd gives the node's service. */
bool read_group(const struct node *node, int *file, const char *name, char *text, size_t size);

#endif
