import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { runCommandLine } from "../../src/core/command-line.ts";
import { scratchDir } from "../scratch.ts";

const { signal } = new AbortController();

it("is the shell's business: quotes, variables and pipes, in its folder, and what it prints is heard", async () => {
  const cwd = scratchDir("rtkit-command-");
  let heard = "";
  const end = await runCommandLine(`echo "$WORD in $(pwd)" | tr a-z A-Z; exit 3`, {
    cwd,
    env: { WORD: "two  words" },
    onText: (text) => void (heard += text),
    signal,
  });
  expect(end).toEqual({ status: 3, timedOut: false, lastLines: [`TWO  WORDS IN ${cwd.toUpperCase()}`] });
  expect(heard).toBe(`TWO  WORDS IN ${cwd.toUpperCase()}\n`);
});

it("keeps the last lines of much", async () => {
  const { lastLines } = await runCommandLine("seq 1 20000 >&2", { cwd: "/", signal });
  expect(lastLines).toEqual(Array.from({ length: 15 }, (_, index) => `${19_986 + index}`));
});

it("does not wait for what is left in the background", async () => {
  const end = await runCommandLine("sleep 60 & echo $!", { cwd: "/", signal });
  expect(end.status).toBe(0);
  process.kill(Number(end.lastLines[0]), "SIGKILL");
});

/** A command line that starts a child, and notes the child's process id in a file. */
function withChild(file: string): string {
  return `sleep 60 & echo $! >'${file}.new' && mv '${file}.new' '${file}'; wait`;
}

async function gone(file: string): Promise<boolean> {
  const pid = Number(readFileSync(file, "utf8"));
  // Nobody may have waited for it yet: a zombie is there, and does nothing.
  while (existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8")))
    await sleep(10);
  return true;
}

it("kills it and what it started when its time is up", async () => {
  const file = join(scratchDir("rtkit-command-"), "pid");
  const end = await runCommandLine(withChild(file), { cwd: "/", timeoutMs: 1000, signal });
  expect(end).toEqual({ status: null, timedOut: true, lastLines: [] });
  expect(await gone(file)).toBe(true);
});

it("kills it and what it started on Ctrl-C", async () => {
  const file = join(scratchDir("rtkit-command-"), "pid");
  const abort = new AbortController();
  const running = runCommandLine(withChild(file), { cwd: "/", signal: abort.signal });
  while (!existsSync(file)) await sleep(10);
  abort.abort(new Error("interrupted"));
  await expect(running).rejects.toThrow("interrupted");
  expect(await gone(file)).toBe(true);
});
