import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { boardRoot, calls, conf, rtnodectl, useBoardRoot } from "./rtnode-root.ts";

useBoardRoot();

const units = (): string => join(boardRoot(), "run/systemd/system");
const dropIn = (node: string): string => join(units(), `rtnode@${node}.service.d/50-node.conf`);
const wants = (): string[] => {
  const dir = join(units(), "rtnode.target.wants");
  return existsSync(dir) ? readdirSync(dir).toSorted() : [];
};

describe("apply", () => {
  test("writes a drop-in and a want for every node, and reloads systemd once", async () => {
    const supervised = "restart always\nnotify\nwatchdog 500ms\ngroups gpio,i2c\n";
    conf("imu", `policy fifo\npriority 40\nprogram /usr/bin/python3\n${supervised}`);
    conf("planner", "program /usr/bin/node\narg restart never");
    expect(await rtnodectl("apply")).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(readFileSync(dropIn("imu"), "utf8")).toBe(
      "# Made by rtnodectl from nodes/imu.conf\n[Service]\nType=notify\nWatchdogSec=500ms\nRestart=always\n" +
        "SupplementaryGroups=gpio\nSupplementaryGroups=i2c\n",
    );
    expect(readFileSync(dropIn("planner"), "utf8")).toBe("# Made by rtnodectl from nodes/planner.conf\n[Service]\n");
    expect(wants()).toEqual(["rtnode@imu.service", "rtnode@planner.service"]);
    const link = readlinkSync(join(units(), "rtnode.target.wants/rtnode@imu.service"));
    expect(link).toBe("/usr/lib/systemd/system/rtnode@.service");
    expect(calls()).toEqual(["daemon-reload"]);
  });

  test("a watchdog's time may have many digits, and not so many that systemd could not count them", async () => {
    conf("slow", "watchdog 1234567890123us\n");
    conf("slower", "watchdog 12345678901234s\n");
    expect((await rtnodectl("apply")).stderr).toContain("slower.conf: watchdog '12345678901234s' is not a time");
    expect(readFileSync(dropIn("slow"), "utf8")).toContain("WatchdogSec=1234567890123us\n");
  });

  test("does nothing the second time, but start when it is told to", async () => {
    conf("imu", "restart no\n");
    await rtnodectl("apply");
    calls();
    expect(await rtnodectl("apply", "--start")).toMatchObject({ status: 0 });
    expect(calls()).toEqual(["start --no-block rtnode.target"]);
  });

  test("a changed value is written again, a node that is gone is stopped and removed", async () => {
    conf("imu", "restart no\n");
    conf("old", "restart no\n");
    await rtnodectl("apply");
    calls();
    conf("imu", "restart on-failure\n");
    rmSync(join(boardRoot(), "opt/rtnode/current/nodes/old.conf"));
    await rtnodectl("apply");
    expect(readFileSync(dropIn("imu"), "utf8")).toContain("Restart=on-failure\n");
    expect(existsSync(dropIn("old"))).toBe(false);
    expect(wants()).toEqual(["rtnode@imu.service"]);
    expect(new Set(calls())).toEqual(new Set(["stop -- rtnode@old.service", "daemon-reload"]));
  });

  test.each([
    ["restart sometimes\n", "restart 'sometimes' is none of no, on-failure, always"],
    ["restart no ExecStart=/bin/sh\n", "restart 'no ExecStart=/bin/sh' is none of no, on-failure, always"],
    ["watchdog soon\n", "watchdog 'soon' is not a time: an integer with us, ms or s"],
    ["watchdog 1s 2s\n", "watchdog '1s 2s' is not a time"],
    ["watchdog 5min\n", "watchdog '5min' is not a time"],
    ["watchdog ms\n", "watchdog 'ms' is not a time"],
    ["watchdog\n", "watchdog '' is not a time"],
    ["groups wheel\n", "group 'wheel' is not among those that the image grants"],
    ["groups gpio *\n", "group '*' is not among those that the image grants"],
    ["groups .*", "group '.*' is not among those that the image grants"],
    ["groups gpio\ti2c", "group 'gpio\ti2c' is not among those that the image grants"],
    ["restart no\r\n", "restart 'no\r' is none of no, on-failure, always"],
    ["watchdog %h\n", "watchdog '%h' is not a time"],
    ["after ../imu\n", "after '../imu' is not a node's name"],
    ["after imu;reboot\n", "after 'imu;reboot' is not a node's name"],
    ["after %i\n", "after '%i' is not a node's name"],
    ["after -imu\n", "after '-imu' is not a node's name"],
    ["after *\n", "after '*' is not a node's name"],
  ])("refuses %j by name, and applies the other nodes", async (text, message) => {
    conf("bad", text);
    conf("good", "restart no\n");
    const outcome = await rtnodectl("apply");
    expect(outcome.status).toBe(1);
    expect(outcome.stderr.trimEnd().split("\n")).toEqual([expect.stringContaining(`nodes/bad.conf: ${message}`)]);
    expect(wants()).toEqual(["rtnode@good.service"]);
    expect(readdirSync(units()).toSorted()).toEqual(["rtnode.target.wants", "rtnode@good.service.d"]);
  });

  test("a node that becomes bad is stopped", async () => {
    conf("imu", "restart no\n");
    await rtnodectl("apply");
    conf("imu", "restart perhaps\n");
    expect((await rtnodectl("apply")).status).toBe(1);
    expect(calls()).toContain("stop -- rtnode@imu.service");
    expect(wants()).toEqual([]);
  });

  test.each(["-imu", "Imu", "a b", "a;b", "*", "a".repeat(64)])("refuses the name %j", async (name) => {
    conf(name, "restart no\n");
    const outcome = await rtnodectl("apply");
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toContain("a node's name is 1 to 63 of a-z, 0-9 and -, and does not start with -");
    expect(wants()).toEqual([]);
  });

  test("what a node comes after is told systemd, in a section of its own", async () => {
    conf("arm", "after imu,camera\nrestart no\nafter gyro\n");
    expect(await rtnodectl("apply")).toMatchObject({ status: 0 });
    expect(readFileSync(dropIn("arm"), "utf8")).toBe(
      "# Made by rtnodectl from nodes/arm.conf\n[Unit]\nAfter=rtnode@imu.service\nAfter=rtnode@camera.service\n" +
        "After=rtnode@gyro.service\n[Service]\nRestart=no\n",
    );
  });

  test("words that it does not know, and systemd's own, are nothing to it", async () => {
    conf("imu", "user root\nExecStart=/bin/sh\n[Service]\nUser=root\nprogram /../../bin/sh\nrestart no\n%h x\n\\\n");
    expect(await rtnodectl("apply")).toMatchObject({ status: 0 });
    expect(readFileSync(dropIn("imu"), "utf8")).toBe(
      "# Made by rtnodectl from nodes/imu.conf\n[Service]\nRestart=no\n",
    );
  });

  test("thirty nodes cost systemd as many questions as one", async () => {
    for (let node = 1; node <= 30; node += 1) conf(`node-${node}`, "groups gpio,i2c\nafter node-1\n");
    await rtnodectl("apply");
    expect(wants()).toHaveLength(30);
    expect(calls()).toEqual(["daemon-reload"]);
  });

  test("says when there is no release", async () => {
    rmSync(join(boardRoot(), "opt/rtnode/current"));
    const outcome = await rtnodectl("apply");
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toContain("/opt/rtnode/current/nodes: there is no active release\n");
  });
});

test.each([[[]], [["start"]], [["apply", "--force"]], [["status", "--json", "x"]]])("usage: %j", async (words) => {
  const outcome = await rtnodectl(...words);
  expect(outcome).toMatchObject({ status: 2, stderr: expect.stringMatching(/^usage: rtnodectl apply \[--start\]/) });
});
