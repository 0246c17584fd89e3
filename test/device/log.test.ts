import * as fc from "fast-check";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { beforeAll, describe, expect, test } from "vitest";
import { scratchDir } from "../scratch.ts";
import { compileWith, variants } from "./compile.ts";
import { drive } from "./driver.ts";
import { readStats } from "./stats-file.ts";
import { buildDevicePrograms, run } from "./support.ts";

beforeAll(buildDevicePrograms);

/** What the ring holds, bytes; each line has its end in it (log.c). */
const RING = 64 * 1024;
/** Lines of letters, of every length up to twice the ring. */
const line = fc
  .oneof(fc.nat(100), fc.nat(5000), fc.nat(2 * RING))
  .map((length) => "abcdefghij".repeat(length / 10 + 1).slice(0, length));

/** Starts the program with a pipe for standard error that is full: its reading end stays open, and nobody reads. */
async function driveUnread(program: string): Promise<{ driver: ReturnType<typeof drive>; fifo: string }> {
  const script = 'exec 3<>"$1"; head -c 65536 /dev/zero >&3; shift; exec "$@" 2>&3';
  const fifo = join(scratchDir("rtnode-log-"), "fifo");
  await run(["mkfifo", fifo]);
  return { driver: drive(["sh", "-c", script, "sh", fifo, program]), fifo };
}

describe.each(variants)("the log (%s)", (variant) => {
  let program = "";
  beforeAll(async () => {
    program = await compileWith(variant, ["driver.c"]);
  });

  test("loses no line that it took and takes none that it has no room for, round and round the ring", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(line, { maxLength: 6 }), { maxLength: 6 }), async (rounds) => {
        const driver = drive([program]);
        let expected = "";
        for (const lines of rounds) {
          let waiting = 0;
          let lost = 0;
          for (const text of lines) {
            const fits = waiting + text.length + 1 <= RING;
            expect(await driver.tell(`log ${text}`)).toBe(fits ? "0" : "ENOBUFS");
            if (fits) waiting += text.length + 1;
            if (fits) expected += `${text}\n`;
            else lost += 1;
          }
          await driver.tell("flush");
          if (lost > 0) expected += `rtnode: ${lost} lines of the log found no room\n`;
        }
        expect((await driver.end()).stderr).toBe(expected);
      }),
      { numRuns: variant === "librtnode.so" ? 40 : 10 },
    );
  });

  test("takes a line that fills it to the last byte, and not one that is longer by one", async () => {
    const driver = drive([program]);
    expect(await driver.tell(`log-long ${RING}`)).toBe("ENOBUFS");
    expect(await driver.tell(`log-long ${RING - 1}`)).toBe("0");
    expect(await driver.tell("log ")).toBe("ENOBUFS");
    const { stderr } = await driver.end();
    expect(stderr).toBe(`${"x".repeat(RING - 1)}\nrtnode: 2 lines of the log found no room\n`);
  });

  test("is written by a thread of its own while the loop goes on, in order", async () => {
    const driver = drive([program]);
    await driver.tell("ready");
    await driver.tell("loop 1000000 0");
    for (let i = 0; i < 100; i++) {
      driver.order(`log line ${i}`);
      driver.order("turns 3");
    }
    const { status, stderr } = await driver.end();
    expect(status).toBe(0);
    expect(stderr).toBe(Array.from({ length: 100 }, (_, index) => `line ${index}\n`).join(""));
  });

  test("that nobody reads holds neither the loop up nor the end", async () => {
    const { driver } = await driveUnread(program);
    await driver.tell("ready");
    await driver.tell("loop 1000000 0");
    for (let i = 0; i < 200; i++) {
      expect(await driver.tell("log-long 1000")).toMatch(/^(0|ENOBUFS)$/);
      expect(Number(await driver.tell("wait"))).toBeGreaterThanOrEqual(0);
    }
    expect((await driver.end()).status).toBe(0);
  });

  test("waits for a reader who pauses: it gets every line that found room, and hears how many did not", async () => {
    const { driver, fifo } = await driveUnread(program);
    await driver.tell("ready");
    let expected = "\0".repeat(65_536);
    let lost = 0;
    for (let i = 0; i < 100; i++) {
      const text = `${i} ${"x".repeat(1000)}`;
      const answer = await driver.tell(`log ${text}`);
      if (answer === "0") expected += `${text}\n`;
      else lost += 1;
    }
    expect(lost).toBeGreaterThan(0);
    await sleep(1500);
    const reader = run(["cat", fifo]);
    expect((await driver.end()).status).toBe(0);
    const { stdout } = await reader;
    expect(stdout.split("\n")).toEqual(`${expected}rtnode: ${lost} lines of the log found no room\n`.split("\n"));
  });

  test("whose reader is gone does not end the program: a pipe", async () => {
    const commands = "ready\npass 100000000\nlog a\nflush\nlog b\nexit 7\n";
    const script = 'set -o pipefail; "$@" 2>&1 >/dev/null | true';
    const { exitCode } = await execa("bash", ["-c", script, "bash", program], { input: commands, reject: false });
    expect(exitCode).toBe(7);
  });

  test("whose reader is gone does not end the program: a socket, as the journal's", async () => {
    // Node.js makes sockets where others make pipes.
    const child = execa(program, { reject: false, buffer: false });
    child.stderr.destroy();
    await once(child.stderr, "close");
    child.stdin.end("ready\nlog a\nflush\nlog b\n");
    expect(await child).toMatchObject({ exitCode: 0 });
  });

  test("that nobody wants does not end up in a file of the program", async () => {
    const env = { RTNODE_RUNTIME_DIR: scratchDir("rtnode-log-") };
    const commands =
      "open 0 1 t x:f64 8\npublish 0 5\nready\nlog hello\nflush\nreceive 0\nopen 1 0 t x:f64 8\nreceive 1\n";
    const { stdout } = await execa("sh", ["-c", 'exec "$1" 2>&-', "sh", program], { input: commands, env });
    expect(stdout.split("\n")).toEqual(["0", "0", "0", "0", "0", "1 5 before", "0", "1 5 before"]);
  });

  test("says in the statistics how many lines found no room", async () => {
    const env = { RTNODE_RUNTIME_DIR: scratchDir("rtnode-log-") };
    const driver = drive([program], env);
    for (const command of ["begin a", "log-long 65535", "log x", "log y", "alive"]) await driver.tell(command);
    expect(readStats(join(env.RTNODE_RUNTIME_DIR, "a.stats")).counters["lostLines"]).toBe(2);
    await driver.end();
  });
});
