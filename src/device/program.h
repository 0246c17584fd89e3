/* The program: where it is, and whether a preloaded library can get into it. */
#ifndef RTNODE_PROGRAM_H
#define RTNODE_PROGRAM_H

#include <elf.h>
#include <stdbool.h>

/* The file that `name` means: itself when it holds a slash, else the first executable in PATH. Leaves with
   EXIT_NOT_FOUND or EXIT_CANNOT_EXECUTE. */
char *find_program(const char *name);

/* A problem when ld.so(8) would not preload a library into the program: static, set-user-ID, of another architecture, a
   script that goes through env(1). */
void check_preloadable(const char *path);

/* True for the header of a 64-bit ELF file (elf(5)) of the architecture that rt-launch is compiled for. */
bool is_own_elf(const Elf64_Ehdr *header);

/* 1 when the ELF file names a loader in its program headers, as programs do and libraries do not; 0 when it does not; -1
   with errno when they cannot be read. */
int names_loader(int file, const Elf64_Ehdr *header);

#endif
