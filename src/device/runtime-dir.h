/* Where nodes meet: $RTNODE_RUNTIME_DIR, else /run/rtnode, else (by hand, off a board) a folder of this user's own. */
#ifndef RTNODE_RUNTIME_DIR_H
#define RTNODE_RUNTIME_DIR_H

#include <limits.h>

/*
 * Writes the path of NAME with an ending (".topic") in that folder. -EINVAL when the name is not 1 to 63 letters, digits,
 * dots, underscores and dashes, or begins with a dot; -errno when the folder cannot be had.
 */
int runtime_path(char path[PATH_MAX], const char *name, const char *ending);

#endif
