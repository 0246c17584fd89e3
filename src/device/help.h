/* What rt-launch --help prints. */
#ifndef RTNODE_HELP_H
#define RTNODE_HELP_H

static const char rt_launch_help[] =
    "usage: rt-launch [OPTION...] [--] PROGRAM [ARG...]\n"
    "       rt-launch [OPTION...] --config FILE [ARG...]\n"
    "       rt-launch show [--json [--bins]] PID...\n"
    "       rt-launch show --watch\n"
    "Sets scheduling, CPUs, limits and memory locking, reads them back from the kernel, then becomes PROGRAM.\n"
    "`show` prints what running processes really have, with --watch a line of JSON each second about the nodes.\n\n"
    "  --policy P          other, batch, idle, fifo, rr, deadline\n"
    "  --priority N        1 to 98, with fifo and rr\n"
    "  --nice N            -20 to 19, with other and batch\n"
    "  --runtime T, --deadline T, --period T\n"
    "                      with deadline; T is an integer with ns, us, ms or s; the period defaults to the deadline\n"
    "  --cpus LIST         CPUs to run on: 3 or 0-2,4\n"
    "  --lock-memory       keep all memory in RAM (preloads librtnode.so, which is beside rt-launch)\n"
    "  --stack BYTES       stack to touch before main, with --lock-memory\n"
    "  --heap BYTES        heap to touch before main, with --lock-memory\n"
    "  --rttime T          longest time to run without blocking under fifo and rr:\n"
    "                      SIGXCPU after T, SIGKILL after twice T\n"
    "  --core              leave RLIMIT_CORE as it is (by default what is real-time or locked dumps no core)\n"
    "  --chdir DIR         start the program there\n"
    "  --env NAME=VALUE    set a variable of the program's environment\n"
    "  --config FILE       read the same words from FILE, one per line, without the dashes; there, `program PATH`\n"
    "                      and `arg WORD` name the program; options after --config win over the file\n\n"
    "  --startup T         --rttime holds once the program says that its start-up is over (the SDKs do); T until then\n"
    "  --no-reset-on-fork  threads and children inherit the policy (by default only the main thread has it)\n"
    "  --require-rt-kernel refuse a kernel without PREEMPT_RT\n"
    "  --library PATH      the library to preload\n"
    "  --strict            start nothing when something cannot be had (the default)\n"
    "  --warn              say what could not be had, and go on\n"
    "  --help, --version\n\n"
    "A config file may also hold `notify` (the program says when its start-up is over), and `restart WORD`,\n"
    "`groups LIST`, `watchdog TIME` and `after LIST`, which are for rtnodectl.\n"
    "Exit status: the program's; 125 when rt-launch fails, 126 when PROGRAM cannot be executed, 127 when it is not found;\n"
    "of show: 0, 1 when one of the processes is not there, 125.\n"
    "rt-launch(1) says more, and what helps when something cannot be had.\n";

#endif
