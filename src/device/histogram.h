/*
 * Times in bins: one per microsecond up to 1024, then 32 per doubling (within 3 %), up to two hours. Bin i holds times
 * above the limit of bin i - 1, up to its own; the last one also all that are longer.
 */
#ifndef RTNODE_HISTOGRAM_H
#define RTNODE_HISTOGRAM_H

#include <stdint.h>

enum { LINEAR_BINS = 1024, BINS_PER_DOUBLING = 32, DOUBLINGS = 23, BINS = LINEAR_BINS + DOUBLINGS * BINS_PER_DOUBLING };

struct histogram {
    uint64_t count;
    uint64_t sum, max; /* nanoseconds */
    uint64_t bins[BINS];
};

void histogram_add(struct histogram *histogram, uint64_t ns);

/* The limit of a bin, microseconds. */
double bin_limit(unsigned bin);

/* The time, in microseconds, that a share of all did not exceed (0.99: the 99th percentile); 0 when there are none. */
double histogram_quantile(const struct histogram *histogram, double share);

#endif
