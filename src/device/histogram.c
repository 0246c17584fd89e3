#include "histogram.h"

static unsigned bin_of(uint64_t ns)
{
    uint64_t us = ns / 1000 + (ns % 1000 != 0);
    if (us <= LINEAR_BINS)
        return us ? (unsigned)us - 1 : 0;
    /* 1025 to 2048 us is the first doubling: the place of the highest bit of us - 1 says which, the five below it where. */
    unsigned bits = 63 - (unsigned)__builtin_clzll(us - 1);
    unsigned doubling = bits - 10;
    if (doubling >= DOUBLINGS)
        return BINS - 1;
    unsigned within = (unsigned)((us - 1) >> (bits - 5)) & (BINS_PER_DOUBLING - 1);
    return LINEAR_BINS + doubling * BINS_PER_DOUBLING + within;
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->count++;
    histogram->sum += ns;
    if (ns > histogram->max)
        histogram->max = ns;
    histogram->bins[bin_of(ns)]++;
}

double bin_limit(unsigned bin)
{
    if (bin < LINEAR_BINS)
        return bin + 1;
    unsigned doubling = (bin - LINEAR_BINS) / BINS_PER_DOUBLING;
    unsigned within = (bin - LINEAR_BINS) % BINS_PER_DOUBLING;
    return (double)((uint64_t)(BINS_PER_DOUBLING + within + 1) << (doubling + 5));
}

double histogram_quantile(const struct histogram *histogram, double share)
{
    double max = (double)histogram->max / 1000;
    double wanted = share * (double)histogram->count;
    uint64_t seen = 0;
    for (unsigned bin = 0; bin < BINS - 1; bin++) {
        seen += histogram->bins[bin];
        if (seen && (double)seen >= wanted)
            return bin_limit(bin) < max ? bin_limit(bin) : max;
    }
    /* The last bin also holds what is beyond it. */
    return max;
}
