#include "topic-layout.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* More would be no record, and sums stay far from overflow. */
enum { MOST_ELEMENTS = 65536, MOST_BYTES = 1 << 20 };

static size_t type_size(const char *text, size_t length)
{
    static const struct {
        const char *name;
        size_t size;
    } types[] = {{"i8", 1}, {"u8", 1}, {"i16", 2}, {"u16", 2}, {"i32", 4}, {"u32", 4}, {"f32", 4}, {"f64", 8}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i].name) == length && !memcmp(types[i].name, text, length))
            return types[i].size;
    return 0;
}

/* "[3]" after a type: its number of elements; 1 when there is none, 0 when it is wrong. */
static size_t elements(const char **rest)
{
    if (**rest != '[')
        return 1;
    size_t count = 0;
    const char *c = *rest + 1;
    if (*c == '0')
        return 0;
    for (; isdigit((unsigned char)*c) && count <= MOST_ELEMENTS; c++)
        count = 10 * count + (size_t)(*c - '0');
    if (*c != ']' || count > MOST_ELEMENTS)
        return 0;
    *rest = c + 1;
    return count;
}

size_t layout_size(const char *layout)
{
    size_t size = 0, widest = 1;
    for (const char *rest = layout;; rest++) {
        size_t name = strspn(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
        if (name == 0 || isdigit((unsigned char)*rest) || rest[name] != ':')
            return 0;
        rest += name + 1;
        size_t length = strcspn(rest, "[,");
        size_t bytes = type_size(rest, length);
        rest += length;
        size_t count = elements(&rest);
        if (bytes == 0 || count == 0)
            return 0;
        size = (size + bytes - 1) / bytes * bytes + bytes * count;
        if (bytes > widest)
            widest = bytes;
        if (size > MOST_BYTES)
            return 0;
        if (!*rest)
            return (size + widest - 1) / widest * widest;
        if (*rest != ',')
            return 0;
    }
}
