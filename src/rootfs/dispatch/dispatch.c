/*
 * The interpreter of a foreign root file system's programs while its packages are configured. The kernel's binfmt_misc
 * starts it in place of each ELF program of the target's architecture (flags P and F, see
 * Documentation/admin-guide/binfmt-misc.rst), inside the target's root:
 *
 *     dispatch PROGRAM ARGV0 ARGUMENT...
 *
 * When the tools tree has the same program for the host's CPU, that one is executed, at full speed; it is of the same
 * Debian suite and reads the same files. Programs that answer for the target's architecture, or work on its binaries,
 * stand in the deny list, and they and all others go to qemu-user; but for those of which the build has made a copy that
 * answers for the target (src/rootfs/retarget.ts).
 *
 * Never returns: becomes another program, or exits with 126 (127 when qemu is missing) after one line that says why.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the build mounts what belongs to it inside the target's root (src/rootfs/native.ts). */
#define NATIVE "/.native"

static const char tree[] = NATIVE "/tree";
static const char retargeted[] = NATIVE "/retargeted";
static const char deny_list[] = NATIVE "/deny";
static const char qemu[] = NATIVE "/qemu";

static _Noreturn void fail(const char *call, const char *path)
{
	int status = errno == ENOENT ? 127 : 126;
	(void)fprintf(stderr, "dispatch: %s %s: %s\n", call, path, strerror(errno));
	exit(status);
}

/* Whether a line `NAME [PATH] # reason` of the deny list is about `name` and, with a PATH, that exists in the target. */
static bool is_entry(char *line, const char *name)
{
	line[strcspn(line, "#\r\n")] = '\0';
	const char *word = strtok(line, " \t");
	if (word == NULL || strcmp(word, name) != 0)
		return false;
	const char *path = strtok(NULL, " \t");
	return path == NULL || access(path, F_OK) == 0;
}

/* A list that cannot be read must not turn into an empty one. */
static bool is_denied(const char *name)
{
	FILE *list = fopen(deny_list, "re");
	if (list == NULL)
		fail("fopen", deny_list);
	char line[256];
	bool denied = false;
	while (!denied && fgets(line, sizeof line, list) != NULL)
		denied = is_entry(line, name);
	if (ferror(list))
		fail("fgets", deny_list);
	(void)fclose(list);
	return denied;
}

/* Writes where `folder` would have the program and returns true when it does. */
static bool find_below(const char *folder, const char *real, char twin[PATH_MAX])
{
	int length = snprintf(twin, PATH_MAX, "%s%s", folder, real);
	struct stat info;
	return length > 0 && length < PATH_MAX && stat(twin, &info) == 0 && S_ISREG(info.st_mode) && access(twin, X_OK) == 0;
}

/* Writes the path of the program's twin and returns true when there is one and it may be used. */
static bool find_twin(const char *program, char twin[PATH_MAX])
{
	char real[PATH_MAX];
	/* The twin of /bin/sh is that of the file it links to, and the tools tree has no links of alternatives. */
	if (realpath(program, real) == NULL)
		return false;
	if (find_below(retargeted, real, twin))
		return true;
	const char *name = strrchr(real, '/');
	return name != NULL && find_below(tree, real, twin) && !is_denied(name + 1);
}

int main(int argc, char **argv, char **environment)
{
	if (argc < 3) {
		(void)fputs("dispatch: started by hand; binfmt_misc starts it\n", stderr);
		return 126;
	}
	char *program = argv[1];
	char twin[PATH_MAX];
	if (find_twin(program, twin)) {
		(void)execve(twin, argv + 2, environment);
		/* A twin that does not start (no memory, no loader) is no reason to fail: qemu runs the program itself. */
	}
	/* qemu -0 ARGV0 PROGRAM ARGUMENT...: four words where there were three. */
	char **words = calloc((size_t)argc + 2, sizeof *words);
	if (words == NULL)
		fail("calloc", program);
	words[0] = (char *)qemu;
	words[1] = "-0";
	words[2] = argv[2];
	words[3] = program;
	for (int i = 3; i <= argc; i++)
		words[i + 1] = argv[i];
	(void)execve(qemu, words, environment);
	fail("execve", qemu);
}
