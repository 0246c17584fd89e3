import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { startMirror, withChangedByte, type MirrorServer } from "../rootfs/mirror-server.ts";
import { scratchDir } from "../scratch.ts";
import type { Built } from "./board.ts";
import { rtkit, rtkitResult } from "./cli.ts";

/** A small package that no other test asks for. */
const EXTRA = "sl";

async function newProject(packages: readonly string[] = []): Promise<string> {
  const dir = scratchDir("rtkit-locked-");
  await mkdir(join(dir, "nodes"));
  await writeFile(join(dir, "nodes", "blink.py"), "print(1)\n");
  const text = [
    "name: blink",
    "board: qemu-x86_64",
    `image: { packages: [${packages.join(", ")}] }`,
    "nodes:",
    "  blink: { entry: nodes/blink.py }",
    "",
  ];
  await writeFile(join(dir, "rtkit.yaml"), text.join("\n"));
  return dir;
}

describe("builds from a lock", () => {
  let server: MirrorServer;
  let env: Record<string, string>;
  let project: string;
  let built: Built;

  beforeAll(async () => {
    server = await startMirror({ forFile: true });
    env = { RTKIT_DEBIAN_MIRROR: server.uri, RTKIT_DEBIAN_SNAPSHOT: server.snapshots };
    project = await newProject();
    built = await rtkitResult<Built>(["build", "--project", project], env);
  });
  afterAll(() => server.close());
  beforeEach(() => server.reset());

  it("name the mirror in nothing that they leave", async () => {
    const files = [join(project, "rtkit.lock"), built.manifest.path, built.sbom.path];
    for (const file of files) expect(await readFile(file, "utf8"), file).not.toContain(server.host);
  });

  it("ask the mirror for nothing when nothing changed, with --locked or without", async () => {
    for (const args of [[], ["--locked"]]) {
      const again = await rtkitResult<Built>(["build", "--project", project, ...args], env);
      expect(again).toMatchObject({ cached: true, image: { sha256: built.image.sha256 } });
    }
    expect(server.asked).toEqual([]);
  });

  it("fetch no package that another project brought already, and say what was locked", async () => {
    const other = await newProject();
    const { stdout } = await execa(join(rtkitRoot, "bin", "rtkit"), ["build", "--project", other], { env });
    expect(stdout).toMatch(/^lock +\d+ packages for the first time/m);
    expect(server.asked.length).toBeGreaterThan(0);
    expect(server.asked.filter(({ path }) => path.endsWith(".deb"))).toEqual([]);
  });

  it("with --locked refuse a package that the lock has not got, before anything is asked", async () => {
    const more = await newProject([EXTRA]);
    await writeFile(join(more, "rtkit.lock"), await readFile(join(project, "rtkit.lock")));
    const run = await rtkit(["build", "--project", more, "--locked"], env);
    expect(run.status).toBe(2);
    expect(run.lines.at(-1)).toMatchObject({
      type: "error",
      code: "RTK_LOCK_DRIFT",
      message: expect.stringContaining(EXTRA),
    });
    expect(server.asked).toEqual([]);
  });

  it("fail when the mirror sends another file than the locked one", async () => {
    const more = await newProject([EXTRA]);
    server.tamper(new RegExp(`/${EXTRA}_[^/]*\\.deb$`), withChangedByte);
    const run = await rtkit(["build", "--project", more], env);
    expect(run.status).toBe(1);
    expect(run.lines.at(-1)).toMatchObject({ type: "error", code: "RTK_MIRROR_UNTRUSTED" });
    expect(`${JSON.stringify(run.lines)}${run.stderr}`).not.toContain(server.host);
  });
});
