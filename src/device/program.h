/* The program: where it is, and whether a preloaded library can get into it. */
#ifndef RTNODE_PROGRAM_H
#define RTNODE_PROGRAM_H

/* The file that `name` means: itself when it holds a slash, else the first executable in PATH. Leaves with
   EXIT_NOT_FOUND or EXIT_CANNOT_EXECUTE. */
char *find_program(const char *name);

/* A problem when ld.so(8) would not preload a library into the program: static, set-user-ID, another class, a script
   that goes through env(1). */
void check_preloadable(const char *path);

#endif
