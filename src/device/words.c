#include "words.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

static char *copy(const char *text)
{
    char *new = strdup(text);
    if (!new)
        die(EXIT_LAUNCHER, "out of memory");
    return new;
}

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

static void set_folder(struct options *options, size_t field, const char *value, const struct source *at)
{
    if (!*value)
        mistake(at, "is empty");
    *(char **)field_of(options, field) = copy(value);
}

static void set_library(struct options *options, size_t field, const char *value, const struct source *at)
{
    if (*value != '/' || strpbrk(value, ": "))
        mistake(at, "'%s' is not an absolute path without colons and spaces (ld.so(8) separates at both)", value);
    *(char **)field_of(options, field) = copy(value);
}

/* `restart`, `groups`, `watchdog` and `after` are for rtnodectl, which checks them. */
static void for_supervisor(struct options *options, size_t field, const char *value, const struct source *at)
{
    (void)options;
    (void)field;
    (void)value;
    (void)at;
}

#define FIELD(name) offsetof(struct options, name)

static const struct word words[] = {
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
    {"core", ANYWHERE, set_flag, FIELD(keep_core)},
    {"chdir", VALUE | VERBATIM | ANYWHERE, set_folder, FIELD(folder)},
    {"env", VALUE | VERBATIM | REPEATED | ANYWHERE, add_env, FIELD(env)},
    {"program", VALUE | VERBATIM | IN_FILE, set_program, FIELD(argv)},
    {"arg", VALUE | VERBATIM | REPEATED | IN_FILE, add_arg, FIELD(argv)},
    {"restart", VALUE | IN_FILE, for_supervisor, 0},
    {"groups", VALUE | REPEATED | IN_FILE, for_supervisor, 0},
    {"notify", IN_FILE, set_flag, FIELD(notifies)},
    {"watchdog", VALUE | IN_FILE, for_supervisor, 0},
    {"after", VALUE | REPEATED | IN_FILE, for_supervisor, 0},
    {"startup", VALUE | ON_COMMAND_LINE, set_duration, FIELD(startup)},
    {"library", VALUE | ON_COMMAND_LINE, set_library, FIELD(library)},
    {"no-reset-on-fork", ON_COMMAND_LINE, set_flag, FIELD(keep_on_fork)},
    {"require-rt-kernel", ON_COMMAND_LINE, set_flag, FIELD(require_rt_kernel)},
    {"strict", ON_COMMAND_LINE, set_flag, FIELD(strict)},
    {"warn", ON_COMMAND_LINE, set_flag, FIELD(warn)},
};

const struct word *find_word(const char *name, unsigned place)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if ((words[i].kind & place) && !strcmp(words[i].name, name))
            return &words[i];
    return NULL;
}

void set_word(struct options *options, const struct word *word, const char *value, struct source *at)
{
    unsigned long bit = 1UL << (word - words);
    if (at->seen & bit && !(word->kind & REPEATED))
        mistake(at, "given twice");
    at->seen |= bit;
    word->set(options, word->field, value, at);
}
