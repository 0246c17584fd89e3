/* Copies the statistics of FILE so many times, and holds each copy against what is true of every consistent one. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stats.h"

static uint64_t entries(const struct histogram *histogram)
{
    uint64_t sum = 0;
    for (unsigned bin = 0; bin < BINS; bin++)
        sum += histogram->bins[bin];
    return sum;
}

static bool consistent(const struct stats *copy)
{
    return entries(&copy->wakeup) == copy->wakeup.count && entries(&copy->execution) == copy->execution.count &&
           copy->execution.count == copy->cycles && copy->wakeup.sum <= copy->wakeup.count * copy->wakeup.max &&
           copy->execution.max <= copy->execution.sum && copy->sequence % 2 == 0;
}

int main(int count, char **words)
{
    if (count != 3)
        return 2;
    int file = open(words[1], O_RDONLY);
    const struct stats *stats = mmap(NULL, sizeof *stats, PROT_READ, MAP_SHARED, file, 0);
    if (file < 0 || stats == MAP_FAILED)
        return 2;
    static struct stats copy;
    uint64_t last = 0;
    int error = 0;
    for (long copies = strtol(words[2], NULL, 10); copies > 0; copies--) {
        error = stats_copy(stats, &copy);
        if (error == -EAGAIN)
            continue;
        if (error)
            break;
        if (!consistent(&copy) || copy.sequence < last) {
            puts("inconsistent");
            return 1;
        }
        last = copy.sequence;
    }
    printf("%s\n", last ? "consistent" : strerrorname_np(-error));
    return 0;
}
