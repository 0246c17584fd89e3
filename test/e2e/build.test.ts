import { randomUUID } from "node:crypto";
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cacheDir, rtkitRoot } from "../../src/core/paths.ts";
import { removeTree } from "../../src/core/remove.ts";
import { digestFile } from "../../src/pipeline/digest.ts";
import type { Built } from "./board.ts";
import { rtkit, rtkitResult, stepsThatRan } from "./cli.ts";

const BOARD = "qemu-x86_64";

const BUILD = ["build", "--board", BOARD, "--project"];

/**
 * Runs "$@" as user nobody on a host of another name and another search domain. The user gets subordinate ids for it;
 * all in a mount namespace of its own, so that nothing of the machine changes. Names are still found: a cache that was
 * used for long may have given up some of its downloads. Only root can do that, and only where everyone may read rtkit;
 * otherwise it is the same user.
 */
const AS_SOMEBODY_ELSE = `
set -eu
umask 077
folder=$1
shift
nobody="setpriv --reuid=nobody --regid=nogroup --clear-groups"
[ "$(id -u)" = 0 ] && $nobody test -r "$4" || exec "$@"
chown -R nobody:nogroup "$folder"
exec unshare --mount --uts sh -c '
  set -eu
  hostname elsewhere
  { echo "search elsewhere.example"; sed -n /^nameserver/p /etc/resolv.conf; } >/run/rtkit-test-resolver
  chmod 755 /run/rtkit-test-resolver
  mount --bind /run/rtkit-test-resolver /etc/resolv.conf
  rm -f /run/rtkit-test-resolver
  echo nobody:300000:65536 >/run/rtkit-test-subids
  chmod 644 /run/rtkit-test-subids
  mount --bind /run/rtkit-test-subids /etc/subuid
  mount --bind /run/rtkit-test-subids /etc/subgid
  rm -f /run/rtkit-test-subids
  nobody=$1
  shift
  exec $nobody -- "$@"
' sh "$nobody" "$@"`;

describe("rtkit build", () => {
  let dir: string;
  let project: string;
  let first: Built;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "rtkit-build-"));
    project = join(dir, "robot");
    await cp(join(rtkitRoot, "examples", "arm"), project, {
      recursive: true,
      filter: (path) => !path.endsWith("/out"),
    });
    first = await rtkitResult<Built>([...BUILD, project]);
  });
  afterAll(async () => rm(dir, { recursive: true }));

  it("does nothing when nothing changed", async () => {
    const run = await rtkit([...BUILD, project]);
    expect(stepsThatRan(run)).toEqual([]);
    expect(run.lines.at(-1)).toMatchObject({ type: "result", cached: true, image: first.image });
  });

  it("makes the same bytes from nothing but the lock: in another folder, later, as another user of another host, with another umask, locale and time zone, on one CPU", async () => {
    // Below a folder that everyone may pass, which mkdtemp's own is not.
    const elsewhere = await mkdtemp("/var/tmp/rtkit-else where-");
    try {
      const copy = join(elsewhere, "robot");
      await cp(project, copy, { recursive: true, filter: (path) => !path.endsWith("/out") });
      const cache = join(elsewhere, "cache");
      await cp(join(cacheDir(), "downloads"), join(cache, "downloads"), { recursive: true });
      const build = [
        "taskset",
        "--cpu-list",
        "0",
        join(rtkitRoot, "bin", "rtkit"),
        ...BUILD,
        copy,
        "--json",
        "--locked",
      ];
      const { stdout } = await execa("sh", ["-c", AS_SOMEBODY_ELSE, "sh", elsewhere, ...build], {
        env: { RTKIT_CACHE: cache, HOME: elsewhere, XDG_CACHE_HOME: cache, LC_ALL: "tr_TR.UTF-8", TZ: "Asia/Tokyo" },
      });
      const lines = stdout.trimEnd().split("\n");
      const second = JSON.parse(lines.at(-1) ?? "") as Built;
      expect(lines.filter((line) => line.includes('"cached"') && line.includes('"step"'))).toEqual([]);
      for (const file of ["image", "bmap", "release", "manifest", "sbom", "kernelConfig"] as const) {
        expect(second[file].sha256, file).toBe(first[file].sha256);
      }
    } finally {
      await removeTree(elsewhere);
    }
  });

  it("makes only what a changed line of a node asks for", async () => {
    // A line that no earlier run of this test has put into the cache.
    await appendFile(join(project, "nodes", "controller.py"), `\n# ${randomUUID()}\n`);
    const run = await rtkit([...BUILD, project]);
    expect(run.status).toBe(0);
    expect(stepsThatRan(run)).toEqual(["bundle-controller", "release", "data", "image"]);
  });

  describe("with a mistake", () => {
    let before: string;
    let file: string;
    beforeAll(async () => {
      before = await digestFile(first.image.path);
      file = await readFile(join(project, "rtkit.yaml"), "utf8");
    });
    const mistakes: readonly [string, (file: string) => string, string][] = [
      ["a word misspelt", (text) => text.replace("nodes:", "nods:"), "RTK_CONFIG_UNKNOWN_KEY"],
      ["a priority of the kernel's own", (text) => text.replace("priority: 40", "priority: 99"), "RTK_CONFIG_PRIORITY"],
      ["a CPU the board has not", (text) => text.replace("cpus: [3]", "cpus: [7]"), "RTK_CONFIG_CPUS"],
      ["no such entry", (text) => text.replace("controller.py", "nothing.py"), "RTK_CONFIG_ENTRY"],
      ["no YAML", () => "nodes: [", "RTK_CONFIG_YAML"],
      [
        "an unknown package",
        (text) => text.replace("hostname: arm", "packages: [no-such-package]"),
        "RTK_PACKAGE_UNKNOWN",
      ],
    ];
    for (const [what, change, code] of mistakes) {
      it(`${what}: one message, exit status 2, and the last image is still there`, async () => {
        await writeFile(join(project, "rtkit.yaml"), change(file));
        try {
          const run = await rtkit([...BUILD, project]);
          expect(run.status).toBe(2);
          expect(run.lines.filter(({ type }) => type === "error").map((line) => line["code"])).toContain(code);
          expect(run.stderr).not.toMatch(/\bat .*\.ts:\d+/);
          expect(await digestFile(first.image.path)).toBe(before);
        } finally {
          await writeFile(join(project, "rtkit.yaml"), file);
        }
      });
    }
  });

  it("builds what rtkit init writes", async () => {
    const fresh = join(dir, "My Robot");
    await rtkitResult(["init", fresh]);
    const { image } = await rtkitResult<Built>([...BUILD, fresh]);
    expect(image.path).toBe(join(fresh, "out", BOARD, `my-robot-${BOARD}.img`));
  });

  it("leaves nothing behind when it is interrupted while packages are installed", async () => {
    const cache = join(dir, "interrupted");
    await mkdir(cache);
    await symlink(join(cacheDir(), "tools"), join(cache, "tools"));
    const running = execa(join(rtkitRoot, "bin", "rtkit"), [...BUILD, project, "--json"], {
      env: { RTKIT_CACHE: cache },
      reject: false,
      stdin: "ignore",
    });
    // mmdebstrap's command line names where it writes.
    await untilRuns(join(cache, "packages"));
    running.kill("SIGINT");
    expect((await running).exitCode).toBe(130);
    expect(await processesBelow(cache)).toEqual([]);
    expect(await readFile("/proc/mounts", "utf8")).not.toContain(cache);
    expect(await readdir(join(cache, "packages"))).toEqual([]);
  });
});

/** Waits until the command line of a process names a folder. */
async function untilRuns(folder: string): Promise<void> {
  for (;;) {
    const { exitCode } = await execa("pgrep", ["-f", folder], { reject: false });
    if (exitCode === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Command lines that name a folder. */
async function processesBelow(folder: string): Promise<string[]> {
  const { stdout } = await execa("pgrep", ["-a", "-f", folder], { reject: false });
  return stdout.split("\n").filter((line) => line !== "");
}
