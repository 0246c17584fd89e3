import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { extract, type Header } from "tar-stream";
import { describe, expect, test } from "vitest";
import { launchConf } from "../../src/bundle/launch-conf.ts";
import { releaseStep } from "../../src/bundle/release.ts";
import { scanNode, type ScannedNode } from "../../src/bundle/scan.ts";
import { sha256 } from "../../src/pipeline/digest.ts";
import { runStep } from "../../src/pipeline/cache.ts";
import type { StepOutput } from "../../src/pipeline/step.ts";
import type { Project } from "../../src/config/model.ts";
import { elf } from "./elf-file.ts";
import { contextOf, hostTools, nodeOf, projectOf, temporaryFolder, writeFiles } from "./robot.ts";

interface Release {
  readonly output: StepOutput;
  readonly project: Project;
  readonly scanned: readonly ScannedNode[];
  readonly members: readonly { readonly header: Header; readonly content: Buffer }[];
}

async function release(python: string, order: "forward" | "backward" = "forward"): Promise<Release> {
  const dir = await temporaryFolder();
  await writeFiles(dir, {
    "imu.py": python,
    "plan.ts": "console.log(1);\n",
    motor: elf({ type: 2, machine: 183, interpreter: null }),
  });
  const nodes = [
    nodeOf(dir, "imu.py", { name: "imu", schedule: { policy: "fifo", priority: 40, cpus: [3] } }),
    nodeOf(dir, "plan.ts", { name: "imu-plan" }),
    nodeOf(dir, "motor", { name: "motor", groups: ["gpio"] }),
  ];
  if (order === "backward") nodes.reverse();
  const project = projectOf(dir, nodes);
  const options = { tools: hostTools, signal: new AbortController().signal, sdk: { python: dir, typescript: dir } };
  const context = await contextOf();
  const scanned = await Promise.all(nodes.map((node) => scanNode(project, node, options)));
  const bundles = await Promise.all(scanned.map(({ step }) => runStep(context, step)));
  const output = await runStep(context, releaseStep(project, scanned, bundles));
  const members: { header: Header; content: Buffer }[] = [];
  const reader = createReadStream(join(output.dir, "release.tar")).pipe(extract());
  for await (const entry of reader) {
    members.push({ header: entry.header, content: await buffer(entry) });
  }
  return { output, project, scanned, members };
}

async function idOf({ output }: Release): Promise<string> {
  return (JSON.parse(await readFile(join(output.dir, "release.json"), "utf8")) as { id: string }).id;
}

describe("the release", () => {
  test("holds the nodes, their launch options, a manifest, and a list of them whose sha256 is the id", async () => {
    const made = await release("print(1)\n");
    expect(Object.keys(made.output.files)).toEqual(["release.json", "release.tar"]);
    expect(
      made.members.map(({ header: { name, mode, uid, gid, uname, mtime, type } }) => [
        name,
        mode,
        uid,
        gid,
        uname,
        mtime?.getTime(),
        type,
      ]),
    ).toEqual([
      ["SHA256SUMS", 0o644, 0, 0, "root", 0, "file"],
      ["manifest.json", 0o644, 0, 0, "root", 0, "file"],
      ["nodes/imu-plan.conf", 0o644, 0, 0, "root", 0, "file"],
      ["nodes/imu-plan.mjs", 0o644, 0, 0, "root", 0, "file"],
      ["nodes/imu.conf", 0o644, 0, 0, "root", 0, "file"],
      ["nodes/imu.pyz", 0o644, 0, 0, "root", 0, "file"],
      ["nodes/motor.bin", 0o755, 0, 0, "root", 0, "file"],
      ["nodes/motor.conf", 0o644, 0, 0, "root", 0, "file"],
    ]);
    const [list, first, ...others] = made.members;
    const sums = list?.content.toString() ?? "";
    expect(await idOf(made)).toBe(sha256(sums));
    const listed = made.members.slice(1).map(({ header, content }) => `${sha256(content)}  ${header.name}\n`);
    expect(sums).toBe(listed.join(""));
    const text = first?.content.toString() ?? "";
    const manifest = JSON.parse(text) as {
      nodes: { file: string; sha256: string; conf: { file: string; sha256: string } }[];
    };
    const said = new Map(
      manifest.nodes.flatMap(
        ({ file, sha256: digest, conf }) =>
          [
            [file, digest],
            [conf.file, conf.sha256],
          ] as const,
      ),
    );
    expect(new Map(others.map(({ header, content }) => [header.name, sha256(content)]))).toEqual(said);
    expect(manifest).toMatchObject({
      format: 2,
      name: "robot",
      board: "bench",
      nodes: [
        { name: "imu", runtime: "python", schedule: { policy: "fifo", priority: 40, cpus: [3] } },
        { name: "imu-plan", runtime: "typescript", schedule: { policy: "other", nice: 0, cpus: [] } },
        { name: "motor", runtime: "native", groups: ["gpio"] },
      ],
    });
    const conf = others.find(({ header }) => header.name === "nodes/imu.conf");
    expect(conf?.content.toString()).toBe(launchConf(made.project.nodes[0] ?? nodeOf("", ""), false));
    expect(text).not.toContain(made.project.dir);
  });

  test("is the same from another folder and in another order; another line of a node is another release", async () => {
    const [first, again, other] = [
      await release("print(1)\n"),
      await release("print(1)\n", "backward"),
      await release("print(2)\n"),
    ];
    expect(again.output.digest).toBe(first.output.digest);
    expect(await idOf(other)).not.toBe(await idOf(first));
  });

  test("needs the bundle of every node", async () => {
    const { project, scanned } = await release("print(1)\n");
    expect(() => releaseStep(project, scanned, [])).toThrow("the bundle of node imu is missing");
  });
});
