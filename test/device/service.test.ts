import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { scratchDir } from "../scratch.ts";
import { compileWith, variants } from "./compile.ts";
import { drive } from "./driver.ts";
import type { Driven } from "./driver.ts";
import { listen } from "./notify.ts";
import { buildDevicePrograms, mayBeRealtime, run, scheduling } from "./support.ts";

/** The status of the one thread that is not the main one. */
function helperOf({ pid }: Driven): { stat: string; status: string } {
  const [task, ...more] = readdirSync(`/proc/${pid}/task`).filter((id) => id !== String(pid));
  expect(more).toEqual([]);
  const read = (name: string): string => readFileSync(`/proc/${pid}/task/${task}/${name}`, "latin1");
  return { stat: read("stat"), status: read("status") };
}

const realtime = await mayBeRealtime();
let program = "";
beforeAll(async () => {
  await buildDevicePrograms();
  program = await compileWith("librtnode.so", ["driver.c"]);
});

describe.each(variants)("a service (%s)", (variant) => {
  let made = "";
  beforeAll(async () => {
    made = await compileWith(variant, ["driver.c"]);
  });

  test.each(["path", "abstract"])(
    "tells systemd that it is ready, and that it stops, at a socket with a %s name",
    async (kind) => {
      const listener = await listen(
        kind === "path" ? join(scratchDir("rtnode-notify-"), "socket") : `@rtnode-${process.pid}-${variant}`,
      );
      const driver = drive([made], { NOTIFY_SOCKET: listener.name });
      expect(await driver.tell("ready")).toBe("0");
      expect(await driver.tell("ready")).toBe("EALREADY");
      expect(await driver.tell("stopping")).toBe("0");
      await listener.hears("STOPPING=1", 1);
      await driver.end();
      expect(listener.heard()).toEqual([`${driver.pid} READY=1`, `${driver.pid} STOPPING=1`]);
    },
  );
});

describe("a service", () => {
  test("contents the watchdog while its loop goes on, also through a long sleep, not while a step hangs", async () => {
    const listener = await listen(join(scratchDir("rtnode-notify-"), "socket"));
    const driver = drive([program], { NOTIFY_SOCKET: listener.name, WATCHDOG_USEC: "200000" });
    const fed = (): number => listener.heard().filter((line) => line.endsWith("WATCHDOG=1")).length;
    await driver.tell("ready");
    // Nothing is fed before the loop begins.
    await delay(300);
    expect(fed()).toBe(0);
    await driver.tell("loop 1000000 0");
    driver.order("turns 1000000");
    await listener.hears("WATCHDOG=1", 3);
    driver.kill("SIGKILL");
    await driver.end();

    const sleeper = drive([program], { NOTIFY_SOCKET: listener.name, WATCHDOG_USEC: "200000" });
    await sleeper.tell("ready");
    await sleeper.tell("loop 3600000000000 0");
    const before = fed();
    await sleeper.tell("wait");
    await listener.hears("WATCHDOG=1", before + 3);
    sleeper.kill("SIGKILL");
    await sleeper.end();

    const hanging = drive([program], { NOTIFY_SOCKET: listener.name, WATCHDOG_USEC: "200000" });
    await hanging.tell("ready");
    await hanging.tell("loop 1000000 0");
    await hanging.tell("turns 5");
    // The step that hangs: its beginning was a sign of life, and nothing is after it.
    await delay(500);
    const last = fed();
    await delay(500);
    expect(fed()).toBe(last);
    // Leaving is the other limit's business (TimeoutStopSec): a slow finalize is not killed by this one.
    await hanging.tell("stopping");
    await listener.hears("WATCHDOG=1", fed() + 2);
    await hanging.end();
  });

  test("goes on, and ends with its status, when systemd is gone", async () => {
    const listener = await listen(join(scratchDir("rtnode-notify-"), "socket"));
    const driver = drive([program], { NOTIFY_SOCKET: listener.name, WATCHDOG_USEC: "200000" });
    await driver.tell("ready");
    await listener.close();
    await driver.tell("loop 1000000 0");
    expect(Number(await driver.tell("turns 200"))).toBeGreaterThanOrEqual(0);
    expect(await driver.tell("stopping")).toMatch(/^(ECONNREFUSED|ENOTCONN)$/);
    expect((await driver.end()).status).toBe(0);
  });

  test("that is not asked for a watchdog, or is another process than was asked, sends none", async () => {
    const listener = await listen(join(scratchDir("rtnode-notify-"), "socket"));
    for (const env of [{}, { WATCHDOG_USEC: "200000", WATCHDOG_PID: "1" }]) {
      const driver = drive([program], { NOTIFY_SOCKET: listener.name, ...env });
      await driver.tell("ready");
      await driver.tell("loop 1000000 0");
      await driver.tell("turns 300");
      await driver.end();
    }
    expect(listener.heard()).toEqual([expect.stringMatching(/READY=1$/), expect.stringMatching(/READY=1$/)]);
  });

  test.each([
    ["relative", "EINVAL"],
    [`/${"x".repeat(200)}`, "EINVAL"],
    ["/no/such/socket", "ENOENT"],
    ["", "0"],
  ])("at the socket %j: %s", async (socket, answer) => {
    const driver = drive([program], { NOTIFY_SOCKET: socket });
    expect(await driver.tell("ready")).toBe(answer);
    expect(await driver.tell("stopping")).toBe("0");
    await driver.end();
  });

  test("takes RLIMIT_RTTIME that it was promised, twice that as the hard one, and reads it back", async () => {
    const driver = drive([program], { RTNODE_RTTIME: "5000" });
    expect(await driver.tell("ready")).toBe("0");
    expect(readFileSync(`/proc/${driver.pid}/limits`, "utf8")).toMatch(/^Max realtime timeout +5000 +10000 /m);
    await run(["prlimit", "--pid", String(driver.pid), "--rttime=7000:10000"]);
    expect(await driver.tell("limit")).toBe("0");
    expect(readFileSync(`/proc/${driver.pid}/limits`, "utf8")).toMatch(/^Max realtime timeout +5000 +10000 /m);
    await driver.end();
  });

  test.each(["", "soon", "5ms", "0", "99999999999999999999"])("refuses the limit %j", async (text) => {
    const driver = drive([program], { RTNODE_RTTIME: text });
    expect(await driver.tell("ready")).toBe("EINVAL");
    await driver.end();
  });

  test("has a helper that blocks all signals, which are the main thread's", async () => {
    const driver = drive([program]);
    await driver.tell("ready");
    const blocked = BigInt(`0x${/^SigBlk:\s*([0-9a-f]+)$/m.exec(helperOf(driver).status)?.[1]}`);
    // All that can be blocked but the two that are the C library's own (signal(7): 32 and 33).
    const unblockable = [9, 19, 32, 33].reduce((mask, signal) => mask | (1n << BigInt(signal - 1)), 0n);
    expect(blocked | unblockable).toBe((1n << 64n) - 1n);
    await driver.end();
  });

  test.skipIf(!realtime)("has a helper that is not real-time, even where what it starts would be", async () => {
    const driver = drive(["chrt", "--fifo", "10", program]);
    await driver.tell("ready");
    const main = scheduling(readFileSync(`/proc/${driver.pid}/task/${driver.pid}/stat`, "latin1"));
    expect(main).toMatchObject({ policy: 1, priority: 10 });
    expect(scheduling(helperOf(driver).stat)).toMatchObject({ policy: 0, priority: 0 });
    await driver.end();
  });
});
