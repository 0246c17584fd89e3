import { describe, expect, it } from "vitest";
import { diskProgress } from "../../../src/cli/flash/progress.ts";
import { watchedContext } from "../../pipeline/fixtures.ts";

const MIB = 1024 ** 2;

describe("the progress of a disk", () => {
  it("has a row for each phase, by the disk's name, and none for what is not done", () => {
    const disk = { path: "/dev/sda", verify: false, fraction: () => undefined };
    expect(diskProgress(watchedContext(""), disk).steps).toEqual([
      { name: "wipe-sda", title: "Wipe /dev/sda" },
      { name: "write-sda", title: "Write /dev/sda" },
      { name: "clear-sda", title: "Clear what stays free on /dev/sda" },
      { name: "sync-sda", title: "Sync /dev/sda" },
      { name: "finish-sda", title: "Make /dev/sda bootable" },
    ]);
  });

  it("knows what is on the disk when the work is interrupted", () => {
    const progress = diskProgress(watchedContext(""), { path: "/dev/sda", verify: true, fraction: () => undefined });
    expect(progress.whatIsThere()).toBe(undefined);
    progress.begin("wipe");
    expect(progress.whatIsThere()).toContain("nothing starts from it");
    progress.begin("finish");
    expect(progress.whatIsThere()).toContain("flash it again");
    progress.done();
    expect(progress.whatIsThere()).toContain("whole");
  });

  it("says how much, how fast and how long, as far as that is known", () => {
    const context = watchedContext("");
    let time = 0;
    const progress = diskProgress(context, { path: "/dev/sda", verify: true, fraction: () => 0.5 }, () => time);
    progress.begin("write");
    progress.at(4 * MIB, 200 * MIB);
    time = 10_000;
    progress.at(100 * MIB, 200 * MIB);
    // An image that comes packed through a pipe.
    progress.at(100 * MIB, undefined);
    progress.begin("sync");
    time = 10_500;
    progress.end(true);
    expect(context.events).toEqual([
      { type: "step", name: "write-sda", status: "started", ms: 0 },
      { type: "progress", name: "write-sda", text: "4.0 MiB, 2 %" },
      { type: "progress", name: "write-sda", text: "100 MiB, 50 %, 10 MiB/s, 10.0 s left" },
      { type: "progress", name: "write-sda", text: "100 MiB, 50 %, 10 MiB/s, 10.0 s left" },
      { type: "step", name: "write-sda", status: "done", ms: 10_000 },
      { type: "step", name: "sync-sda", status: "started", ms: 0 },
      { type: "step", name: "sync-sda", status: "failed", ms: 500 },
    ]);
  });
});
