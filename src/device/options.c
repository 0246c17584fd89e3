#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "help.h"
#include "report.h"
#include "words.h"

void append(struct strings *list, char *item)
{
    char **items = realloc(list->items, (list->count + 2) * sizeof *items);
    if (!items)
        die(EXIT_LAUNCHER, "out of memory");
    items[list->count++] = item;
    items[list->count] = NULL;
    list->items = items;
}

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t", text[length - 1]))
        length--;
    text[length] = '\0';
    return text;
}

static void read_line(struct options *options, char *line, struct source *at)
{
    char *name = line + strspn(line, " \t");
    if (!*name || *name == '#')
        return;
    char *value = name + strcspn(name, " \t");
    if (*value)
        *value++ = '\0';
    at->word = name;
    const struct word *word = find_word(name, IN_FILE);
    if (!word)
        mistake(at, "is no word of a config file");
    if (!(word->kind & VERBATIM))
        value = trim(value);
    if (!(word->kind & VALUE) && *value)
        mistake(at, "takes no value");
    if (word->kind & VALUE && !(word->kind & VERBATIM) && !*value)
        mistake(at, "needs a value");
    set_word(options, word, value, at);
}

/* Whether two paths name files of one folder, as they are written. */
static bool are_beside(const char *one, const char *other)
{
    const char *slash = strrchr(one, '/'), *others = strrchr(other, '/');
    return slash && others && slash - one == others - other && !strncmp(one, other, (size_t)(slash - one));
}

static void read_config(struct options *options, const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        die(EXIT_LAUNCHER, "%s: %s", path, strerror(errno));
    struct source at = {.file = path};
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    while ((length = getline(&line, &size, file)) >= 0) {
        at.line++;
        if (memchr(line, '\0', (size_t)length))
            die(EXIT_LAUNCHER, "%s:%u: holds a NUL byte", path, at.line);
        if (length > 0 && line[length - 1] == '\n')
            line[length - 1] = '\0';
        read_line(options, line, &at);
    }
    if (ferror(file))
        die(EXIT_LAUNCHER, "%s: %s", path, strerror(errno));
    free(line);
    fclose(file);
}

/* What cannot go together, whichever way it was given. */
static void check(const struct options *options)
{
    const char *policy = policy_name(options->policy);
    bool prioritized = options->policy == SCHED_FIFO || options->policy == SCHED_RR;
    if (prioritized && !options->priority)
        die(EXIT_LAUNCHER, "policy %s needs a priority from 1 to 98", policy);
    if (!prioritized && options->priority)
        die(EXIT_LAUNCHER, "a priority goes with policy fifo or rr only");
    if (options->has_nice && options->policy > 0 && options->policy != SCHED_BATCH)
        die(EXIT_LAUNCHER, "nice goes with policy other or batch only, not with %s", policy);
    if (options->strict && options->warn)
        die(EXIT_LAUNCHER, "strict and warn contradict each other");
    if (!options->lock_memory && (options->stack || options->heap))
        die(EXIT_LAUNCHER, "stack and heap go with lock-memory only");
    if (options->policy < 0 && options->keep_on_fork)
        die(EXIT_LAUNCHER, "no-reset-on-fork goes with a policy only");
    if (options->policy != SCHED_DEADLINE) {
        if (options->runtime || options->deadline || options->period)
            die(EXIT_LAUNCHER, "runtime, deadline and period go with policy deadline only");
        return;
    }
    if (!options->runtime || !options->deadline)
        die(EXIT_LAUNCHER, "policy deadline needs a runtime and a deadline");
    if (options->runtime > options->deadline || options->deadline > options->period)
        die(EXIT_LAUNCHER, "runtime <= deadline <= period does not hold (sched(7))");
    if (options->has_cpus)
        die(EXIT_LAUNCHER, "policy deadline cannot be combined with cpus: the kernel admits a deadline task to a whole "
                           "root domain and refuses a narrower affinity; use an exclusive cpuset (sched-deadline.rst)");
}

void read_options(struct options *options, int argc, char **argv)
{
    *options = (struct options){.policy = -1};
    append(&options->argv, NULL);
    struct source at = {.file = NULL};
    int next = 1;
    for (; next < argc && argv[next][0] == '-' && argv[next][1]; next++) {
        char *name = argv[next];
        if (!strcmp(name, "--")) {
            next++;
            break;
        }
        if (!strcmp(name, "--help") || !strcmp(name, "--version")) {
            fputs(name[2] == 'h' ? rt_launch_help : "rt-launch " RTNODE_VERSION "\n", stdout);
            exit(fflush(stdout) ? EXIT_LAUNCHER : 0);
        }
        if (strncmp(name, "--", 2))
            die(EXIT_LAUNCHER, "%s: no such option; --help lists them", name);
        char *value = strchr(name, '=');
        if (value)
            *value++ = '\0';
        const struct word *word = find_word(name + 2, ON_COMMAND_LINE);
        bool config = !strcmp(name, "--config");
        if (!word && !config)
            die(EXIT_LAUNCHER, "%s: no such option; --help lists them", name);
        at.word = name + 2;
        if (word && !(word->kind & VALUE)) {
            if (value)
                mistake(&at, "takes no value");
            value = "";
        } else if (!value) {
            if (++next == argc)
                mistake(&at, "needs a value");
            value = argv[next];
        }
        if (word) {
            set_word(options, word, value, &at);
            continue;
        }
        if (options->from_file)
            mistake(&at, "given twice");
        options->from_file = true;
        read_config(options, value);
        if (!options->argv.items[0])
            die(EXIT_LAUNCHER, "%s: names no program", value);
        options->is_own = are_beside(value, options->argv.items[0]);
    }
    if (!options->argv.items[0]) {
        if (next == argc)
            die(EXIT_LAUNCHER, "no program given; --help shows the usage");
        options->argv.items[0] = argv[next++];
    }
    for (; next < argc; next++)
        append(&options->argv, argv[next]);
    if (options->policy < 0 && options->has_nice)
        options->policy = SCHED_OTHER;
    if (options->policy == SCHED_DEADLINE && !options->period)
        options->period = options->deadline;
    check(options);
}
