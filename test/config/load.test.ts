import { chmod, mkdir, rename, writeFile, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadProject } from "../../src/config/load.ts";
import { projectFolder, scratchFolder } from "./fixtures.ts";

const HEAD = "name: arm\nboard: boards/bench.yaml\n";

async function load(nodes: string, rest = ""): Promise<Awaited<ReturnType<typeof loadProject>>["project"]> {
  const folder = await projectFolder({ text: `${HEAD}${rest}nodes:\n${nodes}` });
  return (await loadProject({ cwd: folder, env: { HOME: folder } })).project;
}

describe("defaults", () => {
  it("a node with nothing but an entry is an ordinary program", async () => {
    const { nodes } = await load("  imu: { entry: nodes/imu.py }\n");
    expect(nodes[0]).toMatchObject({
      name: "imu",
      runtime: "python",
      args: [],
      env: {},
      schedule: { policy: "other", nice: 0, cpus: [] },
      memory: { lock: false, stack: 0, heap: 0 },
      limits: { rttime: null },
      restart: "on-failure",
      watchdog: null,
      expect: {},
      after: [],
      groups: [],
    });
  });

  it("a fifo node is locked, prefaulted, and ends when it stops sleeping", async () => {
    const { nodes } = await load(
      "  imu: { entry: nodes/imu.py, schedule: { policy: fifo, priority: 40, cpus: [3, 1, 3] } }\n",
    );
    expect(nodes[0]).toMatchObject({
      schedule: { policy: "fifo", priority: 40, cpus: [1, 3] },
      memory: { lock: true, stack: 512 * 1024, heap: 16 * 1024 ** 2 },
      limits: { rttime: 1e9 },
    });
  });

  it("V8 has a larger heap: its young generation is as large", async () => {
    const { nodes } = await load("  plan: { entry: nodes/planner.ts, schedule: { policy: rr, priority: 2 } }\n");
    expect(nodes[0]?.memory).toEqual({ lock: true, stack: 512 * 1024, heap: 32 * 1024 ** 2 });
  });

  it("a deadline node's deadline is its period, and the kernel limits its time itself", async () => {
    const { nodes } = await load(
      "  imu: { entry: nodes/imu.py, schedule: { policy: deadline, runtime: 1ms, period: 10ms } }\n",
    );
    expect(nodes[0]?.schedule).toEqual({ policy: "deadline", runtime: 1e6, deadline: 10e6, period: 10e6, cpus: [] });
    expect(nodes[0]?.limits.rttime).toBeNull();
    expect(nodes[0]?.memory.lock).toBe(true);
  });

  it("a real-time node that is not locked has nothing to prefault", async () => {
    const { nodes } = await load(
      "  imu: { entry: nodes/imu.py, schedule: { policy: rr, priority: 2 }, memory: { lock: false }, limits: { rttime: none } }\n",
    );
    expect(nodes[0]).toMatchObject({ memory: { lock: false, stack: 0, heap: 0 }, limits: { rttime: null } });
  });

  it("a node is held to what is said, in nanoseconds and counts", async () => {
    const { nodes } = await load(
      "  imu: { entry: nodes/imu.py, expect: { wakeup_p99: 50us, step_max: 1.5ms, overruns: 0 } }\n",
    );
    expect(nodes[0]?.expect).toEqual({ wakeup_p99: 50_000, step_max: 1.5e6, overruns: 0 });
  });

  it("an idle node has neither nice nor priority", async () => {
    const { nodes } = await load("  imu: { entry: nodes/imu.py, schedule: { policy: idle } }\n");
    expect(nodes[0]?.schedule).toEqual({ policy: "idle", cpus: [] });
  });
});

it("units, lists and paths are normalised", async () => {
  const project = await load(
    `  driver: { entry: nodes/driver, groups: [spi, gpio, spi], args: ["-v"], env: { A: "1" }, restart: "no", watchdog: 0.5s }
  planner: { entry: nodes/planner.ts, schedule: { policy: batch, nice: -5 }, memory: { lock: true, stack: 65536, heap: 1.5M } }
`,
    `image: { hostname: arm-1, packages: [python3-yaml, htop, htop], overlays: [overlays/site], ssh: { authorized_keys: [~/keys/good.pub, keys/good.pub] }, signers: [keys/good.pub, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", ~/keys/good.pub] }
targets: { bench: { host: arm.local }, line: { hosts: [10.0.0.1, 10.0.0.2], user: me, port: 2222 } }
`,
  );
  expect(project.nodes.map(({ name, runtime, entry }) => [name, runtime, entry])).toEqual([
    ["driver", "native", join(project.dir, "nodes/driver")],
    ["planner", "typescript", join(project.dir, "nodes/planner.ts")],
  ]);
  expect(project.nodes[0]).toMatchObject({ groups: ["gpio", "spi"], args: ["-v"], env: { A: "1" }, restart: "no" });
  expect(project.nodes[0]?.watchdog).toBe(500_000_000);
  expect(project.nodes[1]).toMatchObject({
    schedule: { policy: "batch", nice: -5 },
    memory: { lock: true, stack: 65_536, heap: 1.5 * 1024 ** 2 },
  });
  expect(project.image.hostname).toBe("arm-1");
  expect(project.image.packages).toEqual(["htop", "python3-yaml"]);
  expect(project.image.overlays).toEqual([join(project.dir, "overlays/site")]);
  expect(project.image.authorizedKeys).toEqual([expect.stringMatching(/^ssh-ed25519 AAAA\S+ someone@somewhere$/)]);
  expect(project.image.signers).toEqual([
    { key: project.image.authorizedKeys[0], file: join(project.dir, "keys/good.pub") },
    { key: expect.stringMatching(/^ssh-ed25519 AAAA\S+B$/), file: null },
  ]);
  expect(project.targets).toEqual([
    { name: "bench", hosts: ["arm.local"], user: "robot", port: null },
    { name: "line", hosts: ["10.0.0.1", "10.0.0.2"], user: "me", port: 2222 },
  ]);
});

it("the project's own checks are command lines for a shell, or none", async () => {
  const imu = "  imu: { entry: nodes/imu.py }\n";
  expect((await load(imu)).deploy).toEqual({ check: null, health: null });
  const project = await load(imu, "deploy: { check: npm test && echo well }\n");
  expect(project.deploy).toEqual({ check: "npm test && echo well", health: null });
});

it("the project is frozen all the way down", async () => {
  const project = await load("  imu: { entry: nodes/imu.py }\n");
  expect(Object.isFrozen(project.nodes[0]?.schedule.cpus)).toBe(true);
  expect(Object.isFrozen(project.board.kernel)).toBe(true);
});

it("the board's Node.js is Debian's, or the official build of a major version", async () => {
  const planner = "  planner: { entry: nodes/planner.ts }\n";
  expect((await load(planner)).image.node).toBeNull();
  expect((await load(planner, 'image: { node: "24" }\n')).image.node).toBe("24");
});

describe("finding the project", () => {
  it("looks in the working folder and upward", async () => {
    const folder = await projectFolder({ text: `${HEAD}nodes: { imu: { entry: nodes/imu.py } }\n` });
    await mkdir(join(folder, "deep", "below"), { recursive: true });
    const { project } = await loadProject({ cwd: join(folder, "deep", "below") });
    expect(project.file).toBe(join(folder, "rtkit.yaml"));
  });

  it("does not look upward from a folder that was named", async () => {
    const folder = await projectFolder({ text: `${HEAD}nodes: { imu: { entry: nodes/imu.py } }\n` });
    await expect(loadProject({ cwd: folder, dir: "nodes" })).rejects.toMatchObject({
      code: "RTK_CONFIG_NOT_FOUND",
      message: "there is no rtkit.yaml in nodes",
      hint: "make a project with: rtkit init DIR",
      exitStatus: 2,
    });
  });

  it("recognises the other ending of YAML files", async () => {
    const folder = await projectFolder({ text: HEAD });
    await rename(join(folder, "rtkit.yaml"), join(folder, "rtkit.yml"));
    await expect(loadProject({ cwd: folder, dir: "." })).rejects.toMatchObject({
      hint: "rename rtkit.yml to rtkit.yaml",
    });
  });

  it("tells a project file that is a folder", async () => {
    const folder = await scratchFolder();
    await mkdir(join(folder, "rtkit.yaml"));
    await expect(loadProject({ cwd: folder })).rejects.toMatchObject({
      code: "RTK_CONFIG_READ",
      hint: "it is a folder; name a file",
    });
  });

  it("tells a project file that is a link to itself", async () => {
    const folder = await scratchFolder();
    await symlink("rtkit.yaml", join(folder, "rtkit.yaml"));
    await expect(loadProject({ cwd: folder })).rejects.toMatchObject({
      code: "RTK_CONFIG_READ",
      hint: "it is a loop of symbolic links",
    });
  });
});

describe("--board", () => {
  it("takes the place of the board that the file names", async () => {
    const folder = await projectFolder({
      text: "name: arm\nboard: no-such\nnodes: { imu: { entry: nodes/imu.py } }\n",
    });
    const { project } = await loadProject({ cwd: folder, board: "qemu-x86_64" });
    expect(project.board.architecture).toBe("amd64");
  });

  it("is relative to the working folder when it is a path", async () => {
    const folder = await projectFolder({ text: "name: arm\nboard: rpi4\nnodes: { imu: { entry: nodes/imu.py } }\n" });
    const { project } = await loadProject({ cwd: join(folder, "boards"), dir: "..", board: "./bench.yaml" });
    expect(project.board.name).toBe("bench");
  });
});

function place(file: string): object {
  return { where: { file, line: 1, column: 1 } };
}

it("messages show paths relative to the working folder, or absolute outside of it", async () => {
  const folder = await projectFolder({ text: "name: arm\nboard: rpi4\n" });
  const below = loadProject({ cwd: join(folder, ".."), dir: folder });
  await expect(below).rejects.toMatchObject(place(join(basename(folder), "rtkit.yaml")));
  const outside = loadProject({ cwd: await scratchFolder(), dir: folder });
  await expect(outside).rejects.toMatchObject(place(join(folder, "rtkit.yaml")));
});

it("a key file that may not be read is told, not thrown", async () => {
  const folder = await projectFolder({
    text: `${HEAD}image: { ssh: { authorized_keys: [locked/key.pub] } }\nnodes: { imu: { entry: nodes/imu.py } }\n`,
  });
  await mkdir(join(folder, "locked"));
  await writeFile(join(folder, "locked", "key.pub"), "");
  await chmod(join(folder, "locked"), 0);
  // As root the file can be read, and holds no key.
  await expect(loadProject({ cwd: folder })).rejects.toMatchObject({ code: "RTK_CONFIG_KEY" });
  await chmod(join(folder, "locked"), 0o700);
});
