#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "help.h"
#include "report.h"
#include "values.h"

void append(struct strings *list, char *item)
{
    char **items = realloc(list->items, (list->count + 2) * sizeof *items);
    if (!items)
        die(EXIT_LAUNCHER, "out of memory");
    items[list->count++] = item;
    items[list->count] = NULL;
    list->items = items;
}

static char *copy(const char *text)
{
    char *new = strdup(text);
    if (!new)
        die(EXIT_LAUNCHER, "out of memory");
    return new;
}

/* A word's value into its field of the options. */
typedef void setter(struct options *options, size_t field, const char *value, const struct source *at);

static void *field_of(struct options *options, size_t field)
{
    return (char *)options + field;
}

static void set_duration(struct options *options, size_t field, const char *value, const struct source *at)
{
    *(uint64_t *)field_of(options, field) = parse_duration(value, at);
}

static void set_bytes(struct options *options, size_t field, const char *value, const struct source *at)
{
    *(uint64_t *)field_of(options, field) = parse_number(value, at);
}

static void set_flag(struct options *options, size_t field, const char *value, const struct source *at)
{
    (void)value;
    (void)at;
    *(bool *)field_of(options, field) = true;
}

static void set_policy(struct options *options, size_t field, const char *value, const struct source *at)
{
    *(int *)field_of(options, field) = parse_policy(value, at);
}

static void set_priority(struct options *options, size_t field, const char *value, const struct source *at)
{
    uint64_t priority = parse_number(value, at);
    if (priority < 1 || priority > 98)
        mistake(at, "'%s' is not from 1 to 98 (99 is the kernel's own)", value);
    *(uint32_t *)field_of(options, field) = (uint32_t)priority;
}

static void set_nice(struct options *options, size_t field, const char *value, const struct source *at)
{
    *(int *)field_of(options, field) = parse_nice(value, at);
    options->has_nice = true;
}

static void set_cpus(struct options *options, size_t field, const char *value, const struct source *at)
{
    parse_cpus(value, field_of(options, field), at);
    options->has_cpus = true;
}

static void add_env(struct options *options, size_t field, const char *value, const struct source *at)
{
    if (*value == '=' || !strchr(value, '='))
        mistake(at, "'%s' is not NAME=VALUE", value);
    append(field_of(options, field), copy(value));
}

/* `arg` may stand before `program`: read_options keeps the program's place. */
static void set_program(struct options *options, size_t field, const char *value, const struct source *at)
{
    if (!*value)
        mistake(at, "is empty");
    ((struct strings *)field_of(options, field))->items[0] = copy(value);
}

static void add_arg(struct options *options, size_t field, const char *value, const struct source *at)
{
    (void)at;
    append(field_of(options, field), copy(value));
}

static void set_library(struct options *options, size_t field, const char *value, const struct source *at)
{
    if (*value != '/' || strpbrk(value, ": "))
        mistake(at, "'%s' is not an absolute path without colons and spaces (ld.so(8) separates at both)", value);
    *(char **)field_of(options, field) = copy(value);
}

/* `restart`, `groups`, `notify` and `watchdog` are for rtnodectl, which checks them. */
static void for_supervisor(struct options *options, size_t field, const char *value, const struct source *at)
{
    (void)options;
    (void)field;
    (void)value;
    (void)at;
}

/* VALUE: takes one; VERBATIM: with its blanks; REPEATED: may be given again. */
enum { VALUE = 1, VERBATIM = 2, REPEATED = 4, IN_FILE = 8, ON_COMMAND_LINE = 16, ANYWHERE = IN_FILE | ON_COMMAND_LINE };

#define FIELD(name) offsetof(struct options, name)

static const struct word {
    const char *name;
    unsigned kind;
    setter *set;
    size_t field;
} words[] = {
    {"policy", VALUE | ANYWHERE, set_policy, FIELD(policy)},
    {"priority", VALUE | ANYWHERE, set_priority, FIELD(priority)},
    {"nice", VALUE | ANYWHERE, set_nice, FIELD(nice)},
    {"runtime", VALUE | ANYWHERE, set_duration, FIELD(runtime)},
    {"deadline", VALUE | ANYWHERE, set_duration, FIELD(deadline)},
    {"period", VALUE | ANYWHERE, set_duration, FIELD(period)},
    {"cpus", VALUE | ANYWHERE, set_cpus, FIELD(cpus)},
    {"lock-memory", ANYWHERE, set_flag, FIELD(lock_memory)},
    {"stack", VALUE | ANYWHERE, set_bytes, FIELD(stack)},
    {"heap", VALUE | ANYWHERE, set_bytes, FIELD(heap)},
    {"rttime", VALUE | ANYWHERE, set_duration, FIELD(rttime)},
    {"env", VALUE | VERBATIM | REPEATED | ANYWHERE, add_env, FIELD(env)},
    {"program", VALUE | VERBATIM | IN_FILE, set_program, FIELD(argv)},
    {"arg", VALUE | VERBATIM | REPEATED | IN_FILE, add_arg, FIELD(argv)},
    {"restart", VALUE | IN_FILE, for_supervisor, 0},
    {"groups", VALUE | REPEATED | IN_FILE, for_supervisor, 0},
    {"notify", IN_FILE, for_supervisor, 0},
    {"watchdog", VALUE | IN_FILE, for_supervisor, 0},
    {"startup", VALUE | ON_COMMAND_LINE, set_duration, FIELD(startup)},
    {"library", VALUE | ON_COMMAND_LINE, set_library, FIELD(library)},
    {"no-reset-on-fork", ON_COMMAND_LINE, set_flag, FIELD(keep_on_fork)},
    {"require-rt-kernel", ON_COMMAND_LINE, set_flag, FIELD(require_rt_kernel)},
    {"warn", ON_COMMAND_LINE, set_flag, FIELD(warn)},
};

static const struct word *find_word(const char *name, unsigned place)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if ((words[i].kind & place) && !strcmp(words[i].name, name))
            return &words[i];
    return NULL;
}

static void set_word(struct options *options, const struct word *word, const char *value, struct source *at)
{
    unsigned long bit = 1UL << (word - words);
    if (at->seen & bit && !(word->kind & REPEATED))
        mistake(at, "given twice");
    at->seen |= bit;
    word->set(options, word->field, value, at);
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
    if (options->policy != SCHED_DEADLINE) {
        if (options->runtime || options->deadline || options->period)
            die(EXIT_LAUNCHER, "runtime, deadline and period go with policy deadline only");
        return;
    }
    if (!options->runtime || !options->deadline)
        die(EXIT_LAUNCHER, "policy deadline needs a runtime and a deadline");
    if (options->runtime > options->deadline || (options->period && options->deadline > options->period))
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
    bool configured = false;
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
        if (configured)
            mistake(&at, "given twice");
        configured = true;
        read_config(options, value);
        if (!options->argv.items[0])
            die(EXIT_LAUNCHER, "%s: names no program", value);
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
    check(options);
}
