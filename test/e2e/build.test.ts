import { randomUUID } from "node:crypto";
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cacheDir, rtkitRoot } from "../../src/core/paths.ts";
import { digestFile } from "../../src/pipeline/digest.ts";
import type { Built } from "./board.ts";
import { rtkit, rtkitResult, stepsThatRan } from "./cli.ts";

const BOARD = "qemu-x86_64";

describe("rtkit build", () => {
  let dir: string;
  let project: string;
  let first: Built;
  const build = ["build", "--board", BOARD, "--project"];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "rtkit-build-"));
    project = join(dir, "robot");
    await cp(join(rtkitRoot, "examples", "arm"), project, {
      recursive: true,
      filter: (path) => !path.endsWith("/out"),
    });
    first = await rtkitResult<Built>([...build, project]);
  });
  afterAll(async () => rm(dir, { recursive: true }));

  it("does nothing when nothing changed", async () => {
    const run = await rtkit([...build, project]);
    expect(stepsThatRan(run)).toEqual([]);
    expect(run.lines.at(-1)).toMatchObject({ type: "result", cached: true, image: first.image });
  });

  it("makes the same bytes in another folder, with another umask and locale, from nothing but the same packages", async () => {
    const elsewhere = join(dir, "else where");
    const cache = join(dir, "cache");
    await cp(project, elsewhere, { recursive: true, filter: (path) => !path.endsWith("/out") });
    await mkdir(cache);
    for (const shelf of ["tools", "packages"]) await symlink(join(cacheDir(), shelf), join(cache, shelf));
    const { stdout } = await execa(
      "sh",
      ["-c", 'umask 077; exec "$@"', "sh", join(rtkitRoot, "bin", "rtkit"), ...build, elsewhere, "--json"],
      { env: { RTKIT_CACHE: cache, LC_ALL: "C", TZ: "Asia/Tokyo" } },
    );
    const second = JSON.parse(stdout.split("\n").at(-1) ?? "") as Built;
    for (const file of ["image", "bmap", "release", "manifest", "sbom", "kernelConfig"] as const) {
      expect(second[file].sha256, file).toBe(first[file].sha256);
    }
  });

  it("makes only what a changed line of a node asks for", async () => {
    // A line that no earlier run of this test has put into the cache.
    await appendFile(join(project, "nodes", "controller.py"), `\n# ${randomUUID()}\n`);
    const run = await rtkit([...build, project]);
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
          const run = await rtkit([...build, project]);
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
    const { image } = await rtkitResult<Built>([...build, fresh]);
    expect(image.path).toBe(join(fresh, "out", BOARD, `my-robot-${BOARD}.img`));
  });

  it("leaves nothing behind when it is interrupted while packages are installed", async () => {
    const cache = join(dir, "interrupted");
    await mkdir(cache);
    await symlink(join(cacheDir(), "tools"), join(cache, "tools"));
    const running = execa(join(rtkitRoot, "bin", "rtkit"), [...build, project, "--json"], {
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
