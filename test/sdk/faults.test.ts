import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { canTrace, withFault } from "../device/faults.ts";
import type { Fault } from "../device/faults.ts";
import { listen } from "../device/notify.ts";
import { buildDevicePrograms } from "../device/support.ts";
import type { Outcome } from "../device/support.ts";
import { scratchDir } from "../scratch.ts";
import { languages } from "./languages.ts";
import { environment } from "./support.ts";

beforeAll(buildDevicePrograms);

describe.skipIf(!(await canTrace())).each(languages)("a system call that fails in $name", ({ command, either }) => {
  /** What becomes of a node with a topic, a line of the log and three steps. */
  const end = async (fault: Fault, env = {}): Promise<Outcome> => {
    const words = await command({
      init: 'self.out = make(Publisher, "t", {"x": "f64"}); return 0',
      step: 'self.log("step"); return when(self.n == 3, 3)',
    });
    const own = (): Record<string, string> => ({
      ...environment,
      RTNODE_RUNTIME_DIR: scratchDir("rtnode-run-"),
      ...env,
    });
    return withFault({ words, env: own }, fault);
  };

  test("before it is ready: the node does not begin, says why, and finalizes", async () => {
    const { name } = await listen(join(scratchDir("rtnode-notify-"), "socket"));
    const env = { NOTIFY_SOCKET: name, RTNODE_RTTIME: "5000000" };
    for (const [call, reason] of [
      [/^connect\(.*rtnode-notify/, either("Connection refused", "ECONNREFUSED")],
      [/^prlimit64\(0, RLIMIT_RTTIME, \{/, either("Connection refused", "ECONNREFUSED")],
    ] as const) {
      const { status, stdout, stderr } = await end({ call, error: "ECONNREFUSED" }, env);
      expect({ status, stdout }).toEqual({ status: 70, stdout: "finalized\n" });
      expect(stderr).toBe(`test: rtnode_ready: ${reason}: RLIMIT_RTTIME or the notice to systemd failed\n`);
    }
  });

  test("in a topic: init fails with its name and the reason, and the node finalizes", async () => {
    const { status, stdout, stderr } = await end({ call: /^pwrite64\(.*rttopic1/, error: "EACCES" });
    expect({ status, stdout }).toEqual({ status: 70, stdout: "finalized\n" });
    expect(stderr.match(/^.*Error: .*$/gm)).toEqual([
      expect.stringMatching(/topic t.*EACCES|Permission denied.*topic t/),
    ]);
  });

  test("when the statistics begin: they are not published, and the node runs", async () => {
    const { status, stderr } = await end({ call: /^rename(at2?)?\(.*\.new"/, error: "EROFS" });
    expect(status).toBe(3);
    const reason = either("Read-only file system", "EROFS");
    expect(stderr).toMatch(new RegExp(`^test: statistics are not published: ${reason}$`, "m"));
    expect(stderr).toMatch(/^test: 2 cycles, /m);
  });

  test("in the wait: run fails with the reason, told once, and the node finalizes", async () => {
    const { status, stdout, stderr } = await end({
      call: /^clock_nanosleep\(CLOCK_MONOTONIC, TIMER_ABSTIME/,
      error: "EFAULT",
    });
    expect({ status, stdout }).toEqual({ status: 70, stdout: "finalized\n" });
    expect(stderr.match(/^.*Error: .*$/gm)).toEqual([
      expect.stringMatching(/rtnode_loop_wait: EFAULT|Bad address.*rtnode_loop_wait/),
    ]);
  });

  test("when it stops, or its last lines cannot be written: it leaves with its status", async () => {
    const { name } = await listen(join(scratchDir("rtnode-notify-"), "socket"));
    const deaf = await end({ call: /^sendto\(.*STOPPING=1/, error: "ECONNREFUSED" }, { NOTIFY_SOCKET: name });
    expect(deaf).toMatchObject({ status: 3, stdout: "finalized\n" });
    const mute = await end({ call: /^write\(2, "test: 2 cycles/, error: "EIO" });
    expect(mute).toMatchObject({ status: 3, stdout: "finalized\n" });
  });
});
