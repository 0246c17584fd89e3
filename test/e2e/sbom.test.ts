import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import type { Component, CycloneDx } from "../../src/image/cyclonedx.ts";
import { digestFile } from "../../src/pipeline/digest.ts";
import { componentsOf, needsOf, schemaErrors } from "../image/cyclonedx.ts";
import { scratchDir } from "../scratch.ts";
import type { Built } from "./board.ts";
import { rtkitResult } from "./cli.ts";

const BOARD = "qemu-x86_64";

/** What npm and pip leave behind, and nodes that use it. */
const FILES: Readonly<Record<string, string>> = {
  "rtkit.yaml": [
    "name: bench",
    `board: ${BOARD}`,
    "nodes:",
    "  arm: { entry: nodes/arm.ts }",
    "  gripper: { entry: nodes/gripper.py }",
    "  motor: { entry: nodes/motor }",
    "",
  ].join("\n"),
  "nodes/arm.ts": 'import { reach } from "@robot/kinematics";\nconsole.log(reach(1));\n',
  "node_modules/@robot/kinematics/package.json":
    '{"name":"@robot/kinematics","version":"2.1.0","license":"MIT","type":"module","exports":"./index.js"}',
  "node_modules/@robot/kinematics/index.js": 'import { clamp } from "clamp";\nexport const reach = (x) => clamp(x);\n',
  "node_modules/@robot/kinematics/node_modules/clamp/package.json":
    '{"name":"clamp","version":"1.0.1","license":"ISC","type":"module","exports":"./index.js"}',
  "node_modules/@robot/kinematics/node_modules/clamp/index.js": "export const clamp = (x) => Math.min(x, Math.PI);\n",
  "nodes/gripper.py": "import grip\nfrom rtnode import RTNode\nprint(grip.FORCE, RTNode)\n",
  "vendor/grip/__init__.py": "FORCE = 3\n",
  "vendor/robot_grip-0.4.2.dist-info/METADATA": "Metadata-Version: 2.4\nName: robot-grip\nVersion: 0.4.2\n",
  "vendor/robot_grip-0.4.2.dist-info/RECORD": "grip/__init__.py,,\n",
};

describe("the SBOM of an image", () => {
  let built: Built;
  let text: string;
  let sbom: CycloneDx;
  const named = (name: string): Component | undefined =>
    componentsOf(sbom).find((component) => component.name === name);

  beforeAll(async () => {
    const project = join(scratchDir("rtkit-sbom-"), "bench");
    for (const [name, content] of Object.entries(FILES)) {
      await mkdir(dirname(join(project, name)), { recursive: true });
      await writeFile(join(project, name), content);
    }
    // A static executable of another project, for this board.
    await copyFile(join(rtkitRoot, "build", "device", "amd64", "rt-launch"), join(project, "nodes", "motor"));
    built = await rtkitResult<Built>(["build", "--project", project]);
    text = await readFile(built.sbom.path, "utf8");
    sbom = JSON.parse(text) as CycloneDx;
  });

  it("is valid against the official schema, and names nothing of the machine it was made on", async () => {
    expect(await schemaErrors(text)).toBeNull();
    expect(built.sbom.sha256).toBe(await digestFile(built.sbom.path));
    expect(text).not.toContain(rtkitRoot);
    expect(text).not.toContain(dirname(built.sbom.path));
  });

  it("is of this image and this release", () => {
    expect(sbom.metadata.component.version).toBe(built.release.id);
    expect(sbom.metadata.component.hashes).toEqual([{ alg: "SHA-256", content: built.image.sha256 }]);
  });

  it("has every package of the image, with its dependencies among them", async () => {
    const { packages } = JSON.parse(await readFile(built.manifest.path, "utf8")) as { packages: { name: string }[] };
    const purls = componentsOf(sbom).filter(({ purl }) => purl?.startsWith("pkg:deb/"));
    expect(purls.map(({ name }) => name).toSorted()).toEqual(packages.map(({ name }) => name).toSorted());
    expect(needsOf(sbom, named("openssh-server")?.["bom-ref"] ?? "")).toContain(named("libc6")?.purl);
  });

  it("has the kernel and our programs with the digests of their files", async () => {
    const kernel = componentsOf(sbom).find(({ cpe }) => cpe !== undefined);
    expect(kernel?.name).toMatch(/^\/boot\/vmlinuz-.*-rt-amd64$/);
    expect(needsOf(sbom, kernel?.["bom-ref"] ?? "")).toEqual([named(`linux-image-${kernel?.version}`)?.purl]);
    for (const program of ["rt-launch", "rtnodectl", "librtnode.so", "rtnode.node"]) {
      const content = await digestFile(join(rtkitRoot, "build", "device", "amd64", program));
      expect(named(`/usr/lib/rtnode/${program}`)?.hashes, program).toEqual([{ alg: "SHA-256", content }]);
    }
  });

  it("has what npm and pip brought into the nodes, and says that an executable is not known", () => {
    const inside = (node: string): string[] | undefined =>
      named(node)?.components?.map(({ purl, name }) => purl ?? name);
    expect(inside("arm")).toEqual(["pkg:npm/%40robot/kinematics@2.1.0", "pkg:npm/clamp@1.0.1"]);
    expect(inside("gripper")).toEqual(["pkg:pypi/robot-grip@0.4.2", "rtnode"]);
    expect(sbom.compositions[0]?.assemblies).toContain(named("motor")?.["bom-ref"]);
    expect(sbom.compositions[0]?.assemblies).not.toContain(named("arm")?.["bom-ref"]);
  });
});
