import { describe, expect, it } from "vitest";
import { notIsolated, watchHealth, type Verdict } from "../../src/deploy/health.ts";
import type { BoardStatus, NodeStatus } from "../../src/deploy/rtnodectl.ts";
import { releaseOf } from "./releases.ts";

const release = releaseOf({ name: "imu" }, { name: "arm" });

function node(name: string, changes: Partial<NodeStatus> = {}): NodeStatus {
  return {
    name,
    state: "active",
    pid: 100,
    policy: "fifo",
    priority: 40,
    cpus: "3",
    lockedKiB: 0,
    restarts: 0,
    reason: null,
    ...changes,
  };
}

function status(imu: Partial<NodeStatus> = {}, changes: Partial<BoardStatus> = {}): BoardStatus {
  return {
    release: release.id,
    previous: null,
    pending: release.id,
    kernel: { version: "6.12.0-rt", realtime: true },
    nodes: [node("imu", imu), node("arm")],
    ...changes,
  };
}

/** The last verdict on statuses, each with its time in ms. */
function judge(...seen: (readonly [BoardStatus, number])[]): Verdict | undefined {
  const watch = watchHealth(release.id, release.nodes);
  return seen.map(([one, now]) => watch(one, now)).at(-1);
}

describe("a board", () => {
  it("is healthy when every node was as asked for a second", () => {
    expect(judge([status(), 0])).toMatchObject({ state: "waiting", node: null });
    expect(judge([status(), 0], [status(), 999])).toMatchObject({ state: "waiting" });
    expect(judge([status(), 0], [status(), 1000])).toEqual({ state: "healthy" });
  });

  it("is watched for another second when a node became another process, or was not as asked in between", () => {
    expect(judge([status(), 0], [status({ pid: 101 }), 900], [status({ pid: 101 }), 1100])).toMatchObject({
      state: "waiting",
    });
    expect(judge([status(), 0], [status({ state: "deactivating" }), 500], [status(), 1100])).toMatchObject({
      state: "waiting",
    });
  });

  it("has failed when a node has failed, was started again, or the release is not there any more", () => {
    expect(judge([status({ state: "failed", reason: "no device" }), 0])).toEqual({
      state: "failed",
      node: "imu",
      why: "imu failed: no device",
    });
    expect(judge([status(), 0], [status({ restarts: 1 }), 500])).toMatchObject({
      state: "failed",
      why: "imu ended and was started again",
    });
    expect(judge([status({}, { release: "0".repeat(64) }), 0])).toMatchObject({ state: "failed", node: null });
  });

  it("is not blamed for restarts before the release, which systemd forgets when it starts the node anew", () => {
    const seen = [
      [status({ restarts: 4, state: "deactivating" }), 0],
      [status(), 500],
      [status(), 1500],
    ] as const;
    expect(judge(...seen)).toEqual({ state: "healthy" });
    expect(judge(...seen.slice(0, 2), [status({ restarts: 1 }), 900])).toMatchObject({ state: "failed" });
  });
});

it.each<[Partial<NodeStatus>, string]>([
  [{ state: "activating" }, "imu is activating"],
  [{ state: "activating", reason: "warming up" }, "imu is activating: warming up"],
  [{ policy: "other" }, "imu is active with policy other, and fifo is asked for"],
  [{ priority: 39 }, "imu is active with priority 39, and 40 is asked for"],
  [{ cpus: "0-3" }, "imu is active with cpus 0-3, and 3 is asked for"],
  [{ cpus: null }, "imu is active with cpus unknown, and 3 is asked for"],
])("waits for a node that is not yet as asked: %j", (changes, why) => {
  expect(judge([status(changes), 0])).toEqual({ state: "waiting", node: "imu", why });
});

it("waits for a node that the board does not know yet", () => {
  expect(judge([status({}, { nodes: [node("arm")] }), 0])).toMatchObject({ why: "imu is not known to the board" });
});

it("asks for no CPUs of a node that has none of its own", () => {
  const [imu] = release.nodes;
  if (imu === undefined) throw new Error("no node");
  const anywhere = { ...imu, schedule: { ...imu.schedule, cpus: [] } };
  const watch = watchHealth(release.id, [anywhere]);
  const here = status({ cpus: "0-2" });
  watch(here, 0);
  expect(watch(here, 1000)).toEqual({ state: "healthy" });
});

it("CPUs that are not isolated are named with the nodes that ask for them, where the board says which are", () => {
  expect(notIsolated(release.nodes, "")).toContain("not isolated there: 3 (imu), 3 (arm)");
  expect(notIsolated(release.nodes, "0-2")).toContain("3 (imu)");
  expect(notIsolated(release.nodes, "2,3")).toBeUndefined();
  expect(notIsolated(release.nodes, null)).toBeUndefined();
  expect(notIsolated(release.nodes, undefined)).toBeUndefined();
});
