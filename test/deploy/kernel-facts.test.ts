import { describe, expect, test } from "vitest";
import type { ExecEnd } from "../../src/core/exec.ts";
import { askKernel, parseAnswer } from "../../src/deploy/kernel-facts.ts";
import type { Connection } from "../../src/deploy/transport.ts";

const answer = [
  "Welcome to arm!",
  "rtkit:cmdline root=PARTUUID=1234-02 nosoftlockup",
  "rtkit:sysctl kernel.nmi_watchdog 0",
  "rtkit:sysctl kernel.gone ",
  "rtkit:unit rt-tune.service active",
  "rtkit:unit other.service inactive",
  "rtkit:config",
  "CONFIG_PREEMPT_RT=y",
  "",
].join("\n");

test("what a system says, whatever its start-up files print", () => {
  expect(parseAnswer(answer)).toEqual({
    config: "CONFIG_PREEMPT_RT=y\n",
    cmdline: ["root=PARTUUID=1234-02", "nosoftlockup"],
    sysctls: { "kernel.nmi_watchdog": "0", "kernel.gone": "" },
    units: ["rt-tune.service"],
  });
});

describe("asking", () => {
  const asked: string[] = [];
  const connection = (stdout: string): Connection =>
    ({
      address: { host: "arm.local", user: "robot", port: null },
      run: async (command: string): Promise<ExecEnd> => {
        asked.push(command);
        return { status: 0, stdout, stderr: "" };
      },
    }) as unknown as Connection;
  const wanted = { sysctls: ["kernel.nmi_watchdog", "a;reboot"], units: [] };

  test("names go to the system quoted", async () => {
    await askKernel(connection(answer), wanted);
    expect(asked.at(-1)).toContain("for n in kernel.nmi_watchdog 'a;reboot'; do");
    expect(asked.at(-1)).not.toContain("systemctl");
  });

  test("a system that does not say how its kernel is configured", async () => {
    await expect(askKernel(connection("rtkit:cmdline x\nrtkit:config\n"), wanted)).rejects.toMatchObject({
      code: "RTK_KERNEL_CONFIG",
      message: "arm.local does not say how its kernel is configured",
    });
  });
});
