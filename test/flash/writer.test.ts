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

it("hashes ranges at the same time, answers in the order it was asked, and writes when that is done", async () => {
  const disk = usedCard();
  const content = await readFile(disk);
  const words = ["-I", "-S", join(rtkitRoot, "src", "flash", "writer.py"), disk, String(process.getuid?.() ?? 0), "0"];
  const running = execa("/usr/bin/python3", words);
  // The first takes the longest by far.
  running.stdin.write(`hash 0 ${content.length} 0\nhash 512 512 512\nhash 1024 512 1024\nwrite 512 512\n`);
  running.stdin.write(Buffer.alloc(512));
  running.stdin.write("hash 512 512 512\n");
  const sums: string[] = [];
  for await (const line of running) {
    const answer = JSON.parse(line) as { sha256?: string };
    if (answer.sha256 !== undefined) sums.push(answer.sha256);
    if (sums.length === 4) running.stdin.end();
  }
  expect(sums).toEqual([
    sha256(content),
    sha256(content.subarray(512, 1024)),
    sha256(content.subarray(1024, 1536)),
    sha256(Buffer.alloc(512)),
  ]);
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
    expect(line).toEqual({ error: "EACCES", at: null, of: "image" });
  });

  it("is nobody's where the user is root", async () => {
    const { line, uids } = await startAs(0, await imageWithMode(0o600));
    expect(line).toMatchObject({ size: 16 * 1024 ** 2 });
    expect(uids).toBe(all(NOBODY));
  });
});
