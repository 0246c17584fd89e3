import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it, vi } from "vitest";
import { lockFile } from "../../src/core/lock.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { scratchDir } from "../scratch.ts";

const dir = scratchDir("rtkit-lock-");

it("one has the lock, others are told so, and released it is gone", async () => {
  const path = join(dir, "one");
  const first = await lockFile(path, { wait: false });
  expect(first).toBeDefined();
  expect(await lockFile(path, { wait: false })).toBeUndefined();
  first?.release();
  expect(existsSync(path)).toBe(false);
  const second = await lockFile(path, { wait: false });
  expect(second).toBeDefined();
  second?.release();
});

it("many that wait get it one after the other, though each removes the file", async () => {
  const path = join(dir, "many");
  let holders = 0;
  const turns = Array.from({ length: 8 }, async () => {
    const lock = await lockFile(path, { wait: true });
    holders += 1;
    expect(holders).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    holders -= 1;
    lock?.release();
  });
  await Promise.all(turns);
});

it("a killed holder has it no more", async () => {
  const path = join(dir, "killed");
  const script = `
    import { lockFile } from ${JSON.stringify(join(rtkitRoot, "src/core/lock.ts"))};
    await lockFile(${JSON.stringify(path)}, { wait: true });
    console.log("locked");
    setInterval(() => undefined, 1000);`;
  const holder = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  expect(await lockFile(path, { wait: false })).toBeUndefined();
  holder.kill("SIGKILL");
  const lock = await lockFile(path, { wait: true });
  expect(lock).toBeDefined();
  lock?.release();
});

it("keeps it though nobody looks at it any more", async () => {
  const path = join(dir, "forgotten");
  await lockFile(path, { wait: true });
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  expect(await lockFile(path, { wait: false })).toBeUndefined();
});

it("waiting ends when it is aborted", async () => {
  const path = join(dir, "aborted");
  const lock = await lockFile(path, { wait: true });
  const abort = new AbortController();
  const waiting = lockFile(path, { wait: true, signal: abort.signal });
  abort.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  lock?.release();
});

it("says what to do where files cannot be locked", async () => {
  await writeFile(join(dir, "flock"), "#!/bin/sh\nexit 71\n");
  await chmod(join(dir, "flock"), 0o755);
  vi.stubEnv("PATH", `${dir}:${process.env["PATH"]}`);
  try {
    await expect(lockFile(join(dir, "x"), { wait: true })).rejects.toMatchObject({ code: "RTK_CACHE_LOCK" });
  } finally {
    vi.unstubAllEnvs();
  }
});

it("says what to do where the cache is not ours to write to", async () => {
  const folder = join(dir, "theirs");
  await mkdir(folder, { mode: 0o500 });
  // Root may write anywhere.
  const asRoot = process.geteuid?.() === 0;
  if (asRoot) process.seteuid?.(65_534);
  try {
    await expect(lockFile(join(folder, "locks", "x"), { wait: true })).rejects.toMatchObject({
      code: "RTK_CACHE_WRITE",
    });
  } finally {
    if (asRoot) process.seteuid?.(0);
  }
});
