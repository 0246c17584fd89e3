/* Makes a histogram of each line of nanoseconds on standard input, and prints it as JSON; of `limits` those of the bins. */
#include "histogram.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print(const struct histogram *histogram)
{
    static const double shares[] = {0, 0.5, 0.99, 0.999, 1};
    printf("{\"count\":%" PRIu64 ",\"sum\":\"%" PRIu64 "\",\"max\":\"%" PRIu64 "\",\"bins\":[", histogram->count,
           histogram->sum, histogram->max);
    const char *separator = "";
    for (unsigned bin = 0; bin < BINS; bin++)
        if (histogram->bins[bin]) {
            printf("%s[%u,%" PRIu64 "]", separator, bin, histogram->bins[bin]);
            separator = ",";
        }
    printf("],\"quantiles\":[");
    for (unsigned i = 0; i < sizeof shares / sizeof *shares; i++)
        printf("%s%.17g", i ? "," : "", histogram_quantile(histogram, shares[i]));
    puts("]}");
}

int main(void)
{
    static char line[1 << 20];
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin)) {
        struct histogram histogram = {0};
        if (!strcmp(line, "limits\n")) {
            for (unsigned bin = 0; bin < BINS; bin++)
                printf("%.17g%s", bin_limit(bin), bin + 1 < BINS ? " " : "\n");
            continue;
        }
        for (const char *value = strtok(line, " \n"); value; value = strtok(NULL, " \n"))
            histogram_add(&histogram, strtoull(value, NULL, 10));
        print(&histogram);
    }
    return 0;
}
