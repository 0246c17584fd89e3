import * as z from "zod";
import { duration, hostLabel, lineOfText, named, packageName, pathText, say, size, quote } from "./values.ts";

/** Scheduling policies as sched(7) names them, without SCHED_ and in lower case. */
const POLICIES = ["other", "batch", "idle", "fifo", "rr", "deadline"] as const;

/**
 * Groups a node may ask for: those that own device nodes on Debian (systemd's udev rules, raspi-firmware's rules). A
 * list, so that a project cannot put a node into sudo, disk or shadow. Boards grant the same ones, in
 * overlays/rtnode/rootfs/usr/lib/rtnode/groups.
 */
export const DEVICE_GROUPS = ["gpio", "i2c", "spi", "dialout", "video", "input", "plugdev", "audio"] as const;

/** Names of environment variables by POSIX.1-2024, XBD 8.1, lower case included. */
export const ENVIRONMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

const schedule = z
  .strictObject({
    policy: z
      .enum(POLICIES)
      .optional()
      .describe("Scheduling policy, see sched(7). `fifo`, `rr` and `deadline` are real-time. Default: `other`."),
    priority: z
      .int()
      .meta({ minimum: 1, maximum: 98 })
      .optional()
      .describe(
        "Priority of `fifo` and `rr`, 1 to 98: 2–49 for applications, 50 is the kernel's interrupt threads, 51–98 for short periodic work only. Required there, refused elsewhere.",
      ),
    nice: z
      .int()
      .meta({ minimum: -20, maximum: 19 })
      .optional()
      .describe("Niceness of `other` and `batch`, -20 (most CPU time) to 19. Default: 0."),
    cpus: z
      .array(
        z
          .int()
          .min(0, { error: (issue) => say(`${quote(issue.input)} is not a CPU number`, "CPUs are numbered from 0") }),
      )
      .optional()
      .describe(
        "CPUs the node may run on, numbered from 0. Those of real-time nodes are isolated from everything else on the kernel's command line; they cannot have CPU 0. Default: all that are not isolated.",
      ),
    runtime: duration
      .optional()
      .describe("`deadline` only: CPU time the node may use in each period, at least 1024 ns."),
    deadline: duration
      .optional()
      .describe("`deadline` only: time from the start of a period until the work is done. Default: the period."),
    period: duration.optional().describe("`deadline` only: time from one activation to the next."),
  })
  .describe("How the kernel schedules the node; set before the program starts and read back.");

const memory = z
  .strictObject({
    lock: z
      .boolean()
      .optional()
      .describe("Keep all memory of the node in RAM (mlockall). Default: true for a real-time node, else false."),
    stack: size
      .optional()
      .describe(
        "Stack that is touched before the program starts, so that no page fault comes later. Default: 512K for a real-time node, else 0.",
      ),
    heap: size
      .optional()
      .describe("Heap that is touched before the program starts. Default: 16M for a real-time node, else 0."),
  })
  .describe("Memory locking and prefaulting.");

const limits = z
  .strictObject({
    rttime: z
      .union([z.literal("none"), duration], {
        error: (issue) =>
          say(`${quote(issue.input)} is not a duration`, "write it with a unit, for example 50ms, or none"),
      })
      .optional()
      .describe(
        "CPU time that a `fifo` or `rr` node may use without blocking before the kernel stops it (RLIMIT_RTTIME), or `none`. Holds once start-up is over, which the SDK says; an executable without the SDK has it from its start on. Of Python and TypeScript without the SDK nothing says so: 30s hold, or this where it is longer. Default: 1s.",
      ),
  })
  .describe("Resource limits.");

const count = z.int().min(0, { error: (issue) => say(`${quote(issue.input)} is not a count`, "counts begin at 0") });

const expectations = z
  .strictObject({
    wakeup_p99: duration.optional().describe("How late at most 1 % of the steps may begin: `50us`."),
    wakeup_p999: duration
      .optional()
      .describe("How late at most 0.1 % of the steps may begin. Takes 10,000 steps to show."),
    wakeup_max: duration.optional().describe("How late no step may begin."),
    step_p99: duration.optional().describe("The time that at most 1 % of the steps may exceed."),
    step_max: duration.optional().describe("The time that no step may exceed."),
    overruns: count.optional().describe("Steps that may fail to begin in their own period: `0`."),
    faults: count.optional().describe("Page faults that the loop may have, minor and major."),
    collections: count.optional().describe("Times that a garbage collector may run in the loop."),
    switches: count.optional().describe("Times that something may take the CPU from the loop (involuntary switches)."),
  })
  .describe("Limits that `rtkit latency` holds the node to while it measures. See [latency](latency.md).");

const node = z.strictObject({
  entry: pathText.describe(
    "The node's program, relative to this file: `.py`, `.ts`, `.mts`, `.js`, `.mjs`, or an ELF executable for the board.",
  ),
  args: z.array(lineOfText).optional().describe("Arguments of the program."),
  env: named(lineOfText, ENVIRONMENT_NAME)
    .optional()
    .describe("Environment variables of the program; values are text."),
  schedule: schedule.optional(),
  memory: memory.optional(),
  limits: limits.optional(),
  restart: z
    .enum(["no", "on-failure", "always"])
    .optional()
    .describe("When the board starts the node again after it ended. Default: `on-failure`."),
  watchdog: duration
    .optional()
    .describe(
      "How long the node's loop may stand still before systemd ends and restarts it, at least 200ms. For nodes that use the SDK; a loop that waits for its next period does not stand still. Default: no watchdog.",
    ),
  after: z
    .array(z.string())
    .optional()
    .describe(
      "Nodes that are started before this one whenever both are: it waits until they are ready (with the SDK) or run. One that fails keeps it from nothing.",
    ),
  groups: z.array(z.enum(DEVICE_GROUPS)).optional().describe("Groups that own the devices the node opens."),
  expect: expectations.optional(),
});

const image = z
  .strictObject({
    hostname: hostLabel("arm")
      .optional()
      .describe("The board's host name; `.local` is announced over mDNS. Default: the project's name."),
    packages: z.array(packageName).optional().describe("Debian packages besides those that board and runtimes need."),
    snapshot: z
      .string()
      .regex(/^\d{8}T\d{6}Z$/, {
        error: (issue) => say(`${quote(issue.input)} is not a time of a snapshot`, "write it like 20261101T000000Z"),
      })
      .optional()
      .describe(
        "Take packages from Debian's archive as it was at this time (UTC), from snapshot.debian.org, in place of the mirror's present state.",
      ),
    node: z
      .string({ error: notAMajor })
      // Older ones lack import.meta.filename, which bundles start with.
      .regex(/^[2-9]\d$/, { error: notAMajor })
      .meta({ examples: ["24"] })
      .optional()
      .describe(
        "Major version of Node.js for TypeScript nodes, in quotes: its official build, from npm, in place of Debian's `nodejs`. `snapshot` does not apply to it. Default: Debian's. See [lock](lock.md).",
      ),
    ssh: z
      .strictObject({
        authorized_keys: z
          .array(z.string())
          .optional()
          .describe("Who may log in as `robot`: paths of public key files (`~` is your home), or public key lines."),
      })
      .optional()
      .describe("Access over SSH; there are no passwords."),
    signers: z
      .array(z.string())
      .optional()
      .describe(
        "Who may sign releases: paths of public key files (`~` is your home), or public key lines; ed25519. The board then takes no others. See [deploy](deploy.md). Default: the board takes unsigned releases.",
      ),
    overlays: z
      .array(pathText)
      .optional()
      .describe("Folders of overlays of your own (overlay.yaml and rootfs/), in layering order."),
  })
  .describe("What goes on the card besides the nodes.");

function notAMajor({ input }: { readonly input?: unknown }): string {
  if (typeof input === "number") return say(`${input} is a number, and versions are text`, 'write it in quotes: "24"');
  return say(
    `${quote(input)} is not a major version of Node.js that nodes run on`,
    'write one from 20 on, for example "24"; rtkit.lock has the exact version',
  );
}

const host = z
  .string()
  .regex(
    /^(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$|^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$/,
    {
      error: (issue) =>
        say(
          `${quote(issue.input)} is not a host name or address`,
          "write for example arm.local, 10.0.0.11 or fd00::11",
        ),
    },
  );

function notAPort(issue: { readonly input?: unknown }): string {
  return say(`${quote(issue.input)} is not a port`, "use 1 to 65535; ssh is 22");
}

const target = z.strictObject({
  host: host.optional().describe("Host name or address of the one board. Either this or `hosts`."),
  hosts: z
    .array(host)
    .min(1, { error: () => say("the list is empty", "name at least one host") })
    .optional()
    .describe("Several boards that get the same."),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/, {
      error: (issue) => say(`${quote(issue.input)} is not a user name`, "the image's user is robot"),
    })
    .optional()
    .describe("User on the board. Default: `robot`."),
  port: z
    .int()
    .min(1, { error: notAPort })
    .max(65_535, { error: notAPort })
    .optional()
    .describe("Port of the SSH server. Default: what ~/.ssh/config says for the host, else 22."),
});

/** A command line for `sh -c`, which may have quotes and pipes of its own. */
const commandText = z
  .string()
  // oxlint-disable-next-line no-control-regex -- NUL ends every string that execve(2) takes
  .regex(/^[^\0]*[^\s\0][^\0]*$/, { error: () => say("is not a command", "write it as in a shell: npm test") });

const deploy = z
  .strictObject({
    check: commandText
      .optional()
      .describe(
        "A command that runs here before anything is built or sent, in the project's folder: `npm test`. Unless its exit status is 0, nothing is deployed.",
      ),
    health: commandText
      .optional()
      .describe(
        "A command that runs here for each board when its nodes are active, in the project's folder: `scripts/healthy`. Unless its exit status is 0 in time, the board goes back. See [deploy](deploy.md).",
      ),
  })
  .describe("The project's own checks before and after a deploy.");

const cache = z
  .strictObject({
    url: z
      .string()
      .regex(/^https?:\/\/[^\s/@?#]+(\/[^\s@?#]*)?$/, {
        error: () =>
          say(
            "is not the URL of a server",
            "write for example https://cache.example.com/rtkit; a token belongs into RTKIT_CACHE_TOKEN",
          ),
      })
      .refine((text) => URL.canParse(text), {
        error: () => say("is not the URL of a server", "write for example https://cache.example.com/rtkit"),
      })
      .describe(
        "An HTTP server that keeps build results for the whole team (GET, HEAD, PUT); RTKIT_CACHE_URL overrides it. See [cache](cache.md).",
      ),
  })
  .describe("Where build results are shared.");

const kernel = z
  .strictObject({
    source: pathText
      .optional()
      .describe(
        "Compile the kernel, and boot without an initramfs: `debian` for the source package of the board's suite, or the folder of a kernel's source tree (`./linux`). Default: the board's Debian package. See [kernel](kernel.md).",
      ),
    fragments: z
      .array(pathText)
      .optional()
      .describe(
        "What is wanted of the kernel besides the board's fragments, later ones on top: names of fragments that rtkit brings (`camera`), or files of your own (`kernel/robot.config`).",
      ),
    patches: z
      .array(pathText)
      .optional()
      .describe(
        "Patches of the kernel's source, as `git format-patch` or `diff -u` writes them, applied in this order.",
      ),
  })
  .describe("The image's kernel.");

const sections = {
  name: hostLabel("arm-controller").describe("The project's name: a host label; outputs are called `<name>-<board>`."),
  board: pathText.describe(
    "A board that `rtkit boards` lists, or the path of a board file of your own (`./boards/mine.yaml`).",
  ),
  image: image.optional(),
  kernel: kernel.optional(),
  nodes: named(node).describe("The robot's programs by name; one process each."),
  targets: named(target).optional().describe("Boards on the network by name."),
  deploy: deploy.optional(),
  cache: cache.optional(),
};

/** The project file's shape. Sizes come out in bytes, durations in nanoseconds; defaults are not filled in. */
export const projectSchema = z
  .strictObject({
    ...sections,
    nodes: sections.nodes.refine((nodes) => Object.keys(nodes).length > 0, {
      error: () => say("there are no nodes", "add one, for example imu: { entry: nodes/imu.py }"),
    }),
  })
  .describe("rtkit.yaml: a robot's nodes, and the board they run on.");

/** The same with every section optional: for checking what is left when mistaken parts were cut out. */
export const partialProjectSchema = z.strictObject(sections).partial();

/** A project file whose shape is right. */
export type ProjectInput = z.output<typeof projectSchema>;

/** What is left of a project file when mistaken parts were cut out. */
export type PartialProjectInput = z.output<typeof partialProjectSchema>;

/** One node of {@link ProjectInput}. */
export type NodeInput = z.output<typeof node>;
