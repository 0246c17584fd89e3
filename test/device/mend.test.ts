import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { boardRoot, rtnodectl, useBoardRoot } from "./rtnode-root.ts";

useBoardRoot();

const limit = (): string => join(boardRoot(), "proc/sys/kernel/sched_rt_runtime_us");

/** What the other programs of the board were called with. */
function called(): string[] {
  const file = join(boardRoot(), "called");
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
}

function program(path: string, status = 0): void {
  const name = path.split("/").at(-1) ?? "";
  writeFileSync(join(boardRoot(), path), `#!/bin/sh\necho "${name} $*" >>'${boardRoot()}/called'\nexit ${status}\n`);
  chmodSync(join(boardRoot(), path), 0o755);
}

function memory(availableKiB: number, ...swaps: readonly string[]): void {
  writeFileSync(join(boardRoot(), "proc/meminfo"), `MemTotal: 1000000 kB\nMemAvailable:   ${availableKiB} kB\n`);
  writeFileSync(join(boardRoot(), "proc/swaps"), ["Filename\tType\tSize\tUsed\tPriority", ...swaps, ""].join("\n"));
}

beforeEach(() => {
  for (const dir of ["proc/sys/kernel", "usr/lib/systemd"]) mkdirSync(join(boardRoot(), dir), { recursive: true });
  program("usr/lib/rtnode/rt-tune");
  program("usr/lib/systemd/systemd-sysctl");
  program("bin/swapoff");
  writeFileSync(limit(), "-1\n");
});

describe("rtnodectl mend", () => {
  test("puts each setting back that it is told, by what sets it at boot", async () => {
    memory(500_000);
    const settings = ["governor", "memory", "interrupts", "settings", "throttling", "fair_server", "swap"];
    expect(await rtnodectl("mend", ...settings)).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(called()).toEqual([
      "rt-tune governor",
      "rt-tune memory",
      "rt-tune interrupts",
      "systemd-sysctl 60-realtime.conf",
      "rt-tune fair_server",
      "swapoff --all",
    ]);
    expect(readFileSync(limit(), "utf8")).toBe("950000\n");
  });

  test.each([[["swap", "reboot"]], [["../rt-tune"]], [["governor; reboot"]], [[""]]])(
    "refuses %j before it changes anything",
    async (words) => {
      expect(await rtnodectl("mend", ...words)).toMatchObject({ status: 2, stdout: "" });
      expect(called()).toEqual([]);
    },
  );

  test("leaves swap on that does not fit into memory", async () => {
    memory(100_000, "/swapfile file 200000 60000 -2", "/dev/zram0 partition 100000 40000 100");
    expect(await rtnodectl("mend", "swap")).toMatchObject({
      status: 1,
      stderr: "rtnodectl: swap stays: 100000 KiB are in it, and 100000 KiB of memory are free\n",
    });
    expect(called()).toEqual([]);
    memory(120_000, "/swapfile file 200000 60000 -2");
    expect(await rtnodectl("mend", "swap")).toMatchObject({ status: 0 });
    expect(called()).toEqual(["swapoff --all"]);
  });

  test("goes on after one that fails, and says so", async () => {
    memory(500_000);
    program("usr/lib/rtnode/rt-tune", 1);
    expect(await rtnodectl("mend", "interrupts", "swap")).toMatchObject({
      status: 1,
      stderr: "rtnodectl: rt-tune interrupts failed\n",
    });
    expect(called()).toEqual(["rt-tune interrupts", "swapoff --all"]);
  });
});
