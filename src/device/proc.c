#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "report.h"

/* PF_KTHREAD of linux/sched.h, in field 9 of proc_pid_stat(5). */
static const unsigned kernel_flag = 0x00200000;

/* True for the errors of a process or thread that is gone. */
static bool is_gone(int error)
{
    return error == ENOENT || error == ESRCH;
}

/* A file of the process, for reading. NULL when it is gone. */
static FILE *open_file(int folder, const char *path)
{
    int descriptor = openat(folder, path, O_RDONLY | O_CLOEXEC);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "r");
    if (!file && (descriptor >= 0 || !is_gone(errno)))
        die(EXIT_LAUNCHER, "show: openat: %s: %s", path, strerror(errno));
    return file;
}

/* False when the file's owner went away while it was read. */
static bool close_file(FILE *file, const char *path)
{
    int error = ferror(file) ? errno : 0;
    fclose(file);
    if (error && !is_gone(error))
        die(EXIT_LAUNCHER, "show: read: %s: %s", path, strerror(error));
    return !error;
}

/* What follows `key` at the start of the line, without blanks and the line's end; NULL when it is another line. */
static char *value_of(char *line, const char *key)
{
    size_t length = strlen(key);
    if (strncmp(line, key, length))
        return NULL;
    char *value = line + length + strspn(line + length, " \t");
    value[strcspn(value, "\n")] = '\0';
    return value;
}

/* Copies text that fits; what does not fit stays unknown. */
static void keep(char *to, size_t size, const char *text)
{
    if (strlen(text) < size)
        strcpy(to, text);
}

/* The lines of a thread's status file. Memory and rights are the process's; a main thread that has ended while others
   go on has no memory lines, so whichever thread has them says it. */
static bool read_status(int folder, struct thread *thread, struct process *process)
{
    char path[48], line[1024];
    snprintf(path, sizeof path, "task/%d/status", thread->tid);
    FILE *file = open_file(folder, path);
    if (!file)
        return false;
    while (fgets(line, sizeof line, file)) {
        const char *value;
        if ((value = value_of(line, "Cpus_allowed_list:")))
            keep(thread->cpus, sizeof thread->cpus, value);
        else if ((value = value_of(line, "VmLck:")))
            process->locked = strtol(value, NULL, 10);
        else if ((value = value_of(line, "THP_enabled:")))
            process->huge_pages = *value == '1';
        else if ((value = value_of(line, "NoNewPrivs:")))
            process->no_new_privileges = *value == '1';
        else if (thread->tid == process->pid && (value = value_of(line, "Tgid:")) && atoi(value) != process->pid)
            die(EXIT_LAUNCHER, "show: %d is a thread of process %s: ask for that one", process->pid, value);
        else if (thread->tid == process->pid && (value = value_of(line, "CapEff:")))
            keep(process->capabilities, sizeof process->capabilities, value);
    }
    return close_file(file, path);
}

/* A thread's name, which may hold a line's end as well as anything else but NUL. */
static bool read_name(int folder, struct thread *thread)
{
    char path[48];
    snprintf(path, sizeof path, "task/%d/comm", thread->tid);
    FILE *file = open_file(folder, path);
    if (!file)
        return false;
    size_t length = fread(thread->name, 1, sizeof thread->name - 1, file);
    thread->name[length && thread->name[length - 1] == '\n' ? length - 1 : length] = '\0';
    return close_file(file, path);
}

/* Only /proc/TID has the file, not /proc/PID/task/TID; another's may be read with CAP_SYS_NICE. */
static void read_slack(struct thread *thread)
{
    char path[48];
    snprintf(path, sizeof path, "/proc/%d/timerslack_ns", thread->tid);
    thread->timer_slack = -1;
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    unsigned long long slack;
    if (fscanf(file, "%llu", &slack) == 1)
        thread->timer_slack = (int64_t)slack;
    fclose(file);
}

/* False when the thread is gone. Its status comes last: as long as it can be read, the number was nobody else's. */
static bool read_thread(int folder, struct thread *thread, struct process *process)
{
    if (get_attributes(thread->tid, &thread->scheduling)) {
        if (!is_gone(errno))
            die(EXIT_LAUNCHER, "show: sched_getattr: thread %d: %s", thread->tid, strerror(errno));
        return false;
    }
    thread->cpus[0] = '\0';
    read_slack(thread);
    return read_name(folder, thread) && read_status(folder, thread, process);
}

static void read_limits(int folder, struct process *process)
{
    static const char *const labels[LIMITS] = {
        [LIMIT_RTPRIO] = "Max realtime priority", [LIMIT_NICE] = "Max nice priority",
        [LIMIT_RTTIME] = "Max realtime timeout",  [LIMIT_MEMLOCK] = "Max locked memory",
        [LIMIT_STACK] = "Max stack size",         [LIMIT_CORE] = "Max core file size",
    };
    FILE *file = open_file(folder, "limits");
    if (!file)
        return;
    char line[256], soft[32], hard[32];
    while (fgets(line, sizeof line, file))
        for (size_t i = 0; i < LIMITS; i++) {
            const char *values = value_of(line, labels[i]);
            if (!values || sscanf(values, "%31s %31s", soft, hard) != 2)
                continue;
            uint64_t unlimited = RLIM_INFINITY;
            process->limits[i] = (struct limit){
                .known = true,
                .soft = strcmp(soft, "unlimited") ? strtoull(soft, NULL, 10) : unlimited,
                .hard = strcmp(hard, "unlimited") ? strtoull(hard, NULL, 10) : unlimited,
            };
        }
    close_file(file, "limits");
}

/* True when the kernel says that it is a thread of its own. The name, field 2, may hold blanks and parentheses. */
static bool is_kernel_thread(int folder)
{
    char text[512] = "";
    unsigned flags = 0;
    FILE *file = open_file(folder, "stat");
    if (!file)
        return false;
    size_t length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    const char *rest = strrchr(text, ')');
    bool known = rest && sscanf(rest, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1;
    return close_file(file, "stat") && known && flags & kernel_flag;
}

static int by_number(const void *a, const void *b)
{
    pid_t first = *(const pid_t *)a, second = *(const pid_t *)b;
    return (first > second) - (first < second);
}

/* The numbers of the threads that there are now, in order; returns how many. */
static size_t list_threads(int folder, pid_t tids[MAX_THREADS])
{
    int descriptor = openat(folder, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0 && is_gone(errno))
        return 0;
    DIR *list = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (!list)
        die(EXIT_LAUNCHER, "show: openat: task: %s", strerror(errno));
    size_t count = 0;
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(list))) {
        if (entry->d_name[0] == '.')
            continue;
        if (count == MAX_THREADS)
            die(EXIT_LAUNCHER, "show: the process has more than %d threads", MAX_THREADS);
        tids[count++] = (pid_t)strtol(entry->d_name, NULL, 10);
    }
    if (errno && !is_gone(errno))
        die(EXIT_LAUNCHER, "show: getdents64: task: %s", strerror(errno));
    closedir(list);
    qsort(tids, count, sizeof *tids, by_number);
    return count;
}

/* The threads that are still there; false when the main one is not, which stays as long as its process does. */
static bool read_threads(int folder, struct process *process)
{
    static pid_t tids[MAX_THREADS];
    size_t listed = list_threads(folder, tids);
    for (size_t i = 0; i < listed; i++) {
        struct thread *thread = &process->threads[process->count];
        *thread = (struct thread){.tid = tids[i]};
        if (!read_thread(folder, thread, process))
            continue;
        process->count++;
        if (thread->tid == process->pid)
            process->main = thread;
    }
    return process->main != NULL;
}

bool read_process(pid_t pid, struct process *process)
{
    memset(process, 0, offsetof(struct process, threads));
    process->pid = pid;
    process->locked = process->huge_pages = process->no_new_privileges = -1;
    char path[32];
    snprintf(path, sizeof path, "/proc/%d", pid);
    /* What is opened below it belongs to this process, also when its number has been given to another one meanwhile. */
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        int error = errno;
        if (!is_gone(error) || !kill(pid, 0) || errno == EPERM)
            die(EXIT_LAUNCHER, "show: open: %s: %s; the process is there: mount /proc, without hidepid=", path,
                strerror(error));
        return false;
    }
    bool kernel = is_kernel_thread(folder);
    read_limits(folder, process);
    bool found = read_threads(folder, process);
    process->kind = kernel ? KERNEL : process->locked < 0 ? ENDED : PROGRAM;
    close(folder);
    return found;
}
