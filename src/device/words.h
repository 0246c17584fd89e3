/* The table of launch options: each word, where it may stand, and what it sets. */
#ifndef RTNODE_WORDS_H
#define RTNODE_WORDS_H

#include "options.h"
#include "values.h"

/* VALUE: takes one; VERBATIM: with its blanks; REPEATED: may be given again. */
enum { VALUE = 1, VERBATIM = 2, REPEATED = 4, IN_FILE = 8, ON_COMMAND_LINE = 16, ANYWHERE = IN_FILE | ON_COMMAND_LINE };

/* A word's value into its field of the options; a mistake leaves with its place. */
typedef void setter(struct options *options, size_t field, const char *value, const struct source *at);

struct word {
    const char *name;
    unsigned kind;
    setter *set;
    size_t field;
};

/* The word of this name that may stand there (IN_FILE or ON_COMMAND_LINE), or NULL. */
const struct word *find_word(const char *name, unsigned place);

/* Sets it; a word that is given twice at one place is a mistake. */
void set_word(struct options *options, const struct word *word, const char *value, struct source *at);

#endif
