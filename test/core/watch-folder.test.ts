import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { exec } from "../../src/core/exec.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { inUserNamespace } from "../../src/core/user-namespace.ts";
import { watchFolder } from "../../src/core/watch-folder.ts";
import { scratchDir } from "../scratch.ts";

let dir: string;
let seen: Set<string>;
let close: () => void;
beforeEach(() => {
  dir = scratchDir("rtkit-watch-");
  mkdirSync(join(dir, "nodes"));
  mkdirSync(join(dir, ".git"));
  writeFileSync(join(dir, "nodes/imu.py"), "1");
  seen = new Set();
  close = watchFolder(
    dir,
    (path) => basename(path).startsWith("."),
    (path) => void seen.add(relative(dir, path)),
    (error) => expect.fail(String(error)),
  );
});
afterEach(() => close());

/** Waits until a path was told, and forgets it. */
async function told(path: string): Promise<void> {
  while (!seen.has(path)) await sleep(5);
  await sleep(20);
  seen.clear();
}

it("a plain write, and a file that is replaced by rename, time and again", async () => {
  writeFileSync(join(dir, "nodes/imu.py"), "2");
  await told("nodes/imu.py");
  for (const text of ["3", "4", "5"]) {
    writeFileSync(join(dir, "nodes/.imu.py.swp"), text);
    renameSync(join(dir, "nodes/.imu.py.swp"), join(dir, "nodes/imu.py"));
    await told("nodes/imu.py");
  }
  writeFileSync(join(dir, "nodes/imu.py"), "6");
  await told("nodes/imu.py");
});

it("files in folders that are new, and in those that took the place of another one", async () => {
  mkdirSync(join(dir, "lib/deep"), { recursive: true });
  await told("lib");
  writeFileSync(join(dir, "lib/deep/a.ts"), "1");
  await told("lib/deep/a.ts");
  rmSync(join(dir, "lib"), { recursive: true });
  await told("lib");
  mkdirSync(join(dir, "lib/deep"), { recursive: true });
  await told("lib");
  writeFileSync(join(dir, "lib/deep/a.ts"), "2");
  await told("lib/deep/a.ts");
});

it("nothing of what is ignored, and nothing when it was ended", async () => {
  writeFileSync(join(dir, ".git/index"), "1");
  writeFileSync(join(dir, ".hidden"), "1");
  writeFileSync(join(dir, "last"), "1");
  while (!seen.has("last")) await sleep(5);
  expect([...seen]).toEqual(["last"]);
});

it("says what to do when the kernel has no more watches to give", async () => {
  const module = join(rtkitRoot, "src/core/watch-folder.ts");
  const program = `import { watchFolder } from ${JSON.stringify(module)};
    try { watchFolder(${JSON.stringify(dir)}, () => false, () => {}, () => {}); } catch (error) { console.log(error.code, error.hint); }`;
  // The limit of a user namespace of its own, see inotify(7) and user_namespaces(7).
  const script = 'echo 1 >/proc/sys/user/max_inotify_watches && exec "$@"';
  const node = [process.execPath, "--input-type=module", "-e", program];
  const { stdout } = await exec(...inUserNamespace([], ["sh", "-c", script, "sh", ...node]));
  expect(stdout).toMatch(/^RTK_DEPLOY_WATCH raise fs\.inotify\.max_user_watches/);
});
