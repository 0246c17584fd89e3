import { execa } from "execa";
import { once } from "node:events";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { sha256 } from "../../src/pipeline/digest.ts";
import { scratchDir } from "../scratch.ts";
import { usedCard } from "./disks.ts";

const SOMEBODY = 12_345;
const NOBODY = 65_534;

/** Starts the writer for a user, as sudo would; returns its first line, and whose process it is by then. */
async function startAs(uid: number, image: string): Promise<{ line: Record<string, unknown>; uids: string }> {
  const script = join(rtkitRoot, "src", "flash", "writer.py");
  const running = execa("/usr/bin/python3", ["-I", "-S", script, usedCard(), String(uid), String(uid), image], {
    reject: false,
  });
  const [text] = (await once(running.stdout, "data")) as [Buffer];
  const status = await readFile(`/proc/${running.pid ?? 0}/status`, "utf8").catch(() => "");
  running.stdin.end();
  await running;
  return { line: JSON.parse(String(text)) as Record<string, unknown>, uids: /^Uid:\t(.*)$/m.exec(status)?.[1] ?? "" };
}

/** An image in a folder that everybody can enter. */
async function imageWithMode(mode: number): Promise<string> {
  const dir = scratchDir("rtkit-writer-");
  await chmod(dir, 0o755);
  const image = join(dir, "x.img");
  await writeFile(image, "image", { mode });
  return image;
}

it("clears and hashes beside other work, and syncs when what writes is done", async () => {
  const disk = usedCard();
  const content = await readFile(disk);
  const [mib, rest] = [1024 ** 2, content.length - 1024 ** 2];
  const words = ["-I", "-S", join(rtkitRoot, "src", "flash", "writer.py"), disk, String(process.getuid?.() ?? 0), "0"];
  const running = execa("/usr/bin/python3", words);
  running.stdin.write(`1 clear ${mib} ${rest}\n2 hash 512 ${mib - 512} 512\n3 write 0 512\n`);
  running.stdin.write(Buffer.alloc(512));
  running.stdin.write(`4 sync\n5 hash 0 512 0\n6 hash ${mib} ${rest} ${mib}\n`);
  const answers = new Map<unknown, unknown>();
  for await (const line of running) {
    const { id, ...members } = JSON.parse(line) as Record<string, unknown>;
    if (!("done" in members)) answers.set(id, members);
    if (answers.size === 7) running.stdin.end();
  }
  expect(answers).toEqual(
    new Map<number, unknown>([
      [0, expect.objectContaining({ size: content.length })],
      [1, {}],
      [2, { sha256: sha256(content.subarray(512, mib)) }],
      [3, {}],
      [4, {}],
      [5, { sha256: sha256(Buffer.alloc(512)) }],
      [6, { sha256: sha256(Buffer.alloc(rest)) }],
    ]),
  );
  const order = [...answers.keys()];
  expect([1, 3].every((id) => order.indexOf(id) < order.indexOf(4))).toBe(true);
});

const all = (uid: number): string => Array(4).fill(uid).join("\t");

describe.runIf(process.getuid?.() === 0)("the process that writes, started as root", () => {
  it("is the user's as soon as the disk is open", async () => {
    const { line, uids } = await startAs(SOMEBODY, await imageWithMode(0o644));
    expect(line).toMatchObject({ size: 16 * 1024 ** 2 });
    expect(uids).toBe(all(SOMEBODY));
  });

  it("opens no image that the user cannot", async () => {
    const { line } = await startAs(SOMEBODY, await imageWithMode(0o600));
    expect(line).toEqual({ id: 0, error: "EACCES", at: null, of: "image" });
  });

  it("is nobody's where the user is root", async () => {
    const { line, uids } = await startAs(0, await imageWithMode(0o600));
    expect(line).toMatchObject({ size: 16 * 1024 ** 2 });
    expect(uids).toBe(all(NOBODY));
  });
});
