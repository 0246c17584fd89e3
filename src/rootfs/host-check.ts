import { existsSync } from "node:fs";
import { readFile, statfs } from "node:fs/promises";
import { userInfo } from "node:os";
import { dirname } from "node:path";
import type { Architecture } from "../core/architecture.ts";
import { RtkitError, throwIfAny } from "../core/errors.ts";
import { exec } from "../core/exec.ts";
import { findProgram } from "../core/programs.ts";
import { formatSize } from "../core/units.ts";
import { foreignPrograms, gatherForeign, type ForeignFacts } from "./foreign.ts";
import { namespace } from "./namespace.ts";
import { dispatcherPath } from "./native.ts";

/** Programs a build calls on the host, with the Debian package of each. The rest come from the tools tree. */
const PROGRAMS: Readonly<Record<string, string>> = {
  mmdebstrap: "mmdebstrap",
  newuidmap: "uidmap",
  newgidmap: "uidmap",
  tar: "tar",
  unshare: "util-linux",
};

/** Ids that Debian's tools give out: 0 to 65535 (Debian policy 9.2.2). */
const SUBORDINATE_IDS = 65536;

/** Packages, tree, tar and image of one build together, measured with a tree of 740 MB, and room to spare. */
const NEEDED_BYTES = 4 * 1024 ** 3;

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** What {@link judgeHost} judges. */
export interface HostFacts {
  readonly user: string;
  /** Names of {@link PROGRAMS} that were not found. */
  readonly missingPrograms: readonly string[];
  /** How many subordinate ids the user has. */
  readonly subordinateUids: number;
  readonly subordinateGids: number;
  /** From here on ids are nobody's, see {@link firstFreeId}. */
  readonly firstFreeId: number;
  /** Whether a user namespace could be made, and something mounted in it; undefined when it could not be tried. */
  readonly userNamespace: boolean | undefined;
  /** Values of sysctls that forbid user namespaces, as read; undefined where the kernel has none. */
  readonly sysctls: Readonly<Record<string, string | undefined>>;
  readonly keyring: boolean;
  /** Free bytes for the user where the cache is. */
  readonly freeBytes: number;
  /** The folder of the cache. */
  readonly cacheDir: string;
  /** Whether programs may run from there. */
  readonly cacheExecutable: boolean;
  readonly foreign: ForeignFacts;
}

/** Each sysctl that forbids user namespaces to ordinary users: the value that does, and the one that allows. */
const NAMESPACE_SYSCTLS = [
  // Ubuntu 23.10 and later.
  { name: "kernel.apparmor_restrict_unprivileged_userns", forbids: "1", allows: "0" },
  // A Debian patch, off by default since Debian 11.
  { name: "kernel.unprivileged_userns_clone", forbids: "0", allows: "1" },
  { name: "user.max_user_namespaces", forbids: "0", allows: "15000" },
];

/** What of Docker's default profile refuses the namespace (seccomp), and mounts in it (AppArmor). Nothing inside can change that. */
const CONTAINER_HINT =
  "in a container: start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined; elsewhere see why with: unshare --user --map-auto --map-root-user --mount mount -t tmpfs tmpfs /tmp";

/** All that a build lacks on this host, each with the one command that helps. Pure. */
export function judgeHost(facts: HostFacts): RtkitError[] {
  const errors: RtkitError[] = [];
  const complain = (code: string, message: string, hint: string): void => {
    errors.push(new RtkitError(code, message, { hint }));
  };
  if (facts.missingPrograms.length > 0) {
    const packages = [...new Set(facts.missingPrograms.map((name) => PROGRAMS[name] ?? name))];
    complain(
      "RTK_HOST_PROGRAM",
      `not installed: ${facts.missingPrograms.join(", ")}`,
      `run: sudo apt-get install ${packages.join(" ")}`,
    );
  }
  const mapped = Math.min(facts.subordinateUids, facts.subordinateGids) >= SUBORDINATE_IDS;
  if (!mapped) {
    const range = `${facts.firstFreeId}-${facts.firstFreeId + SUBORDINATE_IDS - 1}`;
    complain(
      "RTK_HOST_SUBIDS",
      `${facts.user} has no ${SUBORDINATE_IDS} subordinate user and group ids`,
      `run: sudo usermod --add-subuids ${range} --add-subgids ${range} ${facts.user}`,
    );
  } else if (facts.userNamespace === false) {
    const sysctl = NAMESPACE_SYSCTLS.find(({ name, forbids }) => facts.sysctls[name] === forbids);
    complain(
      "RTK_HOST_USERNS",
      `this host does not let you mount in a user namespace of your own${sysctl === undefined ? "" : `: ${sysctl.name} is ${sysctl.forbids}`}`,
      sysctl === undefined ? CONTAINER_HINT : `run: sudo sysctl -w ${sysctl.name}=${sysctl.allows}`,
    );
  }
  if (!facts.keyring) {
    complain(
      "RTK_HOST_KEYRING",
      "the keys of Debian's archive are not installed",
      "run: sudo apt-get install debian-archive-keyring",
    );
  }
  if (facts.freeBytes < NEEDED_BYTES) {
    complain(
      "RTK_HOST_DISK",
      `${facts.cacheDir} has ${formatSize(facts.freeBytes)} free, a build needs about ${formatSize(NEEDED_BYTES)}`,
      "make room, or put the cache on another disk: export RTKIT_CACHE=/path/with/room",
    );
  }
  if (!facts.cacheExecutable) {
    complain(
      "RTK_HOST_NOEXEC",
      `${facts.cacheDir} is on a file system mounted noexec: the tools of a build cannot run there`,
      "put the cache elsewhere: export RTKIT_CACHE=/path/without/noexec",
    );
  }
  if (facts.userNamespace !== undefined || facts.foreign.host === facts.foreign.target) {
    const foreign = foreignPrograms(facts.foreign);
    if (foreign instanceof RtkitError && facts.userNamespace !== false) errors.push(foreign);
  }
  return errors;
}

/**
 * Makes sure that this host can build for `target`, before anything is started.
 * Throws everything that the host lacks at once: the errors of {@link judgeHost}.
 */
export async function checkHost(target: Architecture, cacheDir: string, signal?: AbortSignal): Promise<void> {
  throwIfAny(await examineHost(target, cacheDir, signal));
}

/** What this host lacks for builds for `target`, see {@link judgeHost}. */
export async function examineHost(
  target: Architecture,
  cacheDir: string,
  signal?: AbortSignal,
): Promise<readonly RtkitError[]> {
  return judgeHost(await gatherHost(target, cacheDir, signal));
}

async function gatherHost(target: Architecture, cacheDir: string, signal?: AbortSignal): Promise<HostFacts> {
  const { username, uid } = userInfo();
  const missingPrograms = Object.keys(PROGRAMS).filter((name) => findProgram(name) === undefined);
  const folder = nearestExisting(cacheDir);
  const disk = await statfs(folder);
  const [subuids, subgids] = [await readText("/etc/subuid"), await readText("/etc/subgid")];
  return {
    user: username,
    missingPrograms,
    subordinateUids: countSubordinateIds(subuids, username, uid),
    // subgid(5): its first field names a user too.
    subordinateGids: countSubordinateIds(subgids, username, uid),
    firstFreeId: firstFreeId(`${subuids}\n${subgids}`),
    userNamespace: missingPrograms.some((name) => ["unshare", "newuidmap", "newgidmap"].includes(name))
      ? undefined
      : await tryNamespace(signal),
    sysctls: Object.fromEntries(
      await Promise.all(NAMESPACE_SYSCTLS.map(async ({ name }) => [name, await readSysctl(name)] as const)),
    ),
    keyring: existsSync(KEYRING),
    freeBytes: disk.bavail * disk.bsize,
    cacheDir,
    cacheExecutable: !isNoexec(await readText("/proc/self/mountinfo"), folder),
    foreign: await gatherForeign(target, dispatcherPath(), signal),
  };
}

/** Ids that /etc/subuid or /etc/subgid gives to a user, named or by number (subuid(5)). */
export function countSubordinateIds(text: string, user: string, uid: number): number {
  let count = 0;
  for (const line of text.split("\n")) {
    const [owner, , amount] = line.trim().split(":");
    if ((owner === user || owner === String(uid)) && /^\d+$/.test(amount ?? "")) count += Number(amount);
  }
  return count;
}

/** The first id above all that /etc/subuid and /etc/subgid give away, and above where Debian begins (SUB_UID_MIN in login.defs(5)). */
export function firstFreeId(text: string): number {
  let free = 100_000;
  for (const line of text.split("\n")) {
    const [, start, amount] = line.trim().split(":");
    if (/^\d+$/.test(start ?? "") && /^\d+$/.test(amount ?? "")) free = Math.max(free, Number(start) + Number(amount));
  }
  return free;
}

/** Whether the mount that holds `path` has the option noexec, from /proc/self/mountinfo (proc_pid_mountinfo(5)). */
export function isNoexec(mountinfo: string, path: string): boolean {
  let best = { point: "", options: "" };
  for (const line of mountinfo.split("\n")) {
    const [, , , , escaped = "", options = ""] = line.split(" ");
    const point = escaped.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCodePoint(Number.parseInt(octal, 8)),
    );
    const holds = point === "/" || path === point || path.startsWith(`${point}/`);
    // Of two mounts on one point the later one is on top.
    if (point !== "" && holds && point.length >= best.point.length) best = { point, options };
  }
  return best.options.split(",").includes("noexec");
}

async function tryNamespace(signal: AbortSignal | undefined): Promise<boolean> {
  const { file, args } = namespace(["mount", "-t", "tmpfs", "tmpfs", "/tmp"]);
  return exec(file, args, signal === undefined ? {} : { signal }).then(
    () => true,
    (error: unknown) => {
      if (error instanceof RtkitError) return false;
      throw error;
    },
  );
}

async function readSysctl(name: string): Promise<string | undefined> {
  const text = await readText(`/proc/sys/${name.replaceAll(".", "/")}`);
  return text === "" ? undefined : text.trim();
}

/** A file's text; a file that is not there or not for us holds nothing. */
async function readText(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}

function nearestExisting(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : nearestExisting(dirname(path));
}
