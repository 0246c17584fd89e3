import { expect, test } from "vitest";
import { unmetDemands, type PackageSet } from "../../src/rootfs/lock.ts";
import { packageDemand } from "../../src/rootfs/package-list.ts";
import { TOOL_PACKAGES } from "../../src/rootfs/tools-tree.ts";
import type { Project } from "../../src/config/model.ts";
import { nodeOf, projectOf } from "../bundle/robot.ts";
import { boardLock } from "./locks.ts";

const plain = projectOf("/p", []);
const named = (wanted: readonly string[]): PackageSet => ({ wanted, packages: [] });
const withPackages = (project: Project, packages: readonly string[]): Project => ({
  ...project,
  image: { ...project.image, packages },
});

test("the base system is Debian's, the board's and the runtimes'", () => {
  const { board } = plain;
  const project = {
    ...plain,
    board: { ...board, packages: ["raspi-firmware"], kernel: { ...board.kernel, package: "linux-image-rt-arm64" } },
    nodes: [nodeOf("/p", "a.py"), nodeOf("/p", "b.py"), nodeOf("/p", "c.bin")],
  };
  const { base } = packageDemand(project);
  for (const name of ["apt", "systemd", "raspi-firmware", "linux-image-rt-arm64", "python3"])
    expect(base).toContain(name);
  expect(base).not.toContain("nodejs");
  expect(packageDemand({ ...project, nodes: [nodeOf("/p", "d.ts")] }).base).toContain("nodejs");
  expect(base).toEqual([...new Set(base)].toSorted());
});

test("with an official build of Node.js Debian's stays out, and what that build loads comes in", () => {
  const withNode = { ...plain, image: { ...plain.image, node: "24" }, nodes: [nodeOf("/p", "d.ts")] };
  const { base, nodejs } = packageDemand(withNode);
  expect(nodejs).toBe("24");
  expect(base).not.toContain("nodejs");
  for (const name of ["libatomic1", "libgcc-s1", "libstdc++6"]) expect(base).toContain(name);
  expect(packageDemand(plain).nodejs).toBeNull();
});

test("a kernel that is compiled takes the place of the package and of the initramfs, and brings source and compilers", () => {
  const kernel = { source: { kind: "debian" as const }, fragments: [], patches: [] };
  const demand = packageDemand({ ...plain, kernel });
  for (const name of [plain.board.kernel.package, "initramfs-tools"]) expect(demand.base).not.toContain(name);
  expect(demand.kernel?.source).toEqual(["linux-source"]);
  const cross = { amd64: "gcc-x86-64-linux-gnu", arm64: "gcc-aarch64-linux-gnu" }[plain.board.architecture];
  for (const [host, packages] of Object.entries(demand.kernel?.toolchain ?? {})) {
    expect(packages).toContain("gcc");
    expect(packages.includes(cross)).toBe(host !== plain.board.architecture);
  }
  const folder = { kind: "folder" as const, path: "/linux" };
  expect(packageDemand({ ...plain, kernel: { ...kernel, source: folder } }).kernel?.source).toEqual([]);
  expect(packageDemand(plain).kernel).toBeNull();
});

test("the project's packages are what it asks for and the base system does not have, sorted, each once", () => {
  const { project } = packageDemand(withPackages(plain, ["python3-numpy", "apt", "htop", "python3-numpy"]));
  expect(project).toEqual(["htop", "python3-numpy"]);
});

test("the order of the project file decides nothing", () => {
  const nodes = [nodeOf("/p", "a.py"), nodeOf("/p", "d.ts")];
  const one = packageDemand(withPackages({ ...plain, nodes }, ["a1", "b1"]));
  expect(packageDemand(withPackages({ ...plain, nodes: nodes.toReversed() }, ["b1", "a1"]))).toEqual(one);
});

test("suite, architecture and snapshot are the board's and the image's; a lock made of them is what is asked for", () => {
  const project = { ...plain, image: { ...plain.image, snapshot: "20261101T000000Z" } };
  const demand = packageDemand(project);
  expect(demand).toMatchObject({ suite: "trixie", architecture: "arm64", snapshot: "20261101T000000Z" });
  expect(demand.tools).toEqual([...TOOL_PACKAGES].toSorted());
  const tools = { amd64: named(demand.tools), arm64: named(demand.tools) };
  const { suite, architecture, snapshot } = demand;
  const lock = boardLock({
    suite,
    architecture,
    snapshot,
    base: named(demand.base),
    project: named(demand.project),
    tools,
  });
  expect(unmetDemands(lock, demand)).toEqual([]);
});
