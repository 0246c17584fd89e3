import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pathToFileURL } from "node:url";
import { beforeEach, describe, expect, test } from "vitest";
import type { StepContext } from "../../src/pipeline/step.ts";
import { download } from "../../src/rootfs/downloads.ts";
import type { DebianMirror } from "../../src/rootfs/mirror.ts";
import type { PackageFile } from "../../src/rootfs/repository.ts";
import { scratchDir } from "../scratch.ts";
import { makeDeb } from "./debs.ts";

/** A mirror in a folder: the archive in `debian`, the security archive beside it. */
function mirrorIn(dir: string): DebianMirror {
  const root = pathToFileURL(dir).href;
  return { archive: `${root}/debian`, security: `${root}/debian-security`, origin: "--mirror" };
}

let folder = "";
let mirror: DebianMirror;
let arm: PackageFile;
let hand: PackageFile;
let step: StepContext;
let said: string[] = [];
const cached = async (): Promise<string[]> => (await readdir(join(step.cacheDir, "downloads"))).toSorted();

beforeEach(async () => {
  folder = scratchDir("mirror-");
  mirror = mirrorIn(folder);
  arm = await makeDeb(join(folder, "debian"), "robot-arm", { version: "1:2.0+git~1-1" });
  hand = await makeDeb(join(folder, "debian-security"), "libhand++1", { archive: "security" });
  said = [];
  step = {
    signal: new AbortController().signal,
    emit: () => undefined,
    cacheDir: join(scratchDir("cache of-"), "a folder"),
    progress: (text) => said.push(text),
  };
});

describe("package files", () => {
  test("come from both archives, in the order asked for, and are fetched once", async () => {
    const fetched = [hand.locked, arm.locked];
    const files = await download(step, fetched, { mirror, fallback: undefined });
    const originals = await Promise.all([hand.file, arm.file].map(async (file) => readFile(file)));
    expect(await Promise.all(files.map(async (file) => readFile(file)))).toEqual(originals);
    expect(await cached()).toEqual(fetched.map(({ sha256 }) => sha256).toSorted());
    expect(said[0]).toMatch(/^downloading 2 packages, /);

    await rm(folder, { recursive: true });
    said = [];
    expect(await download(step, fetched, { mirror, fallback: undefined })).toEqual(files);
    expect(said).toEqual([]);
  });

  test.each([
    ["cut short", async (file: string) => writeFile(file, "x")],
    ["changed, as long as before", async (file: string) => writeFile(file, (await readFile(file)).fill(0, 200, 210))],
  ])("one that was damaged in the cache (%s) is fetched again", async (_, damage) => {
    const [file = ""] = await download(step, [arm.locked], { mirror, fallback: undefined });
    await damage(file);
    await download(step, [arm.locked], { mirror, fallback: undefined });
    expect(await readFile(file)).toEqual(await readFile(arm.file));
  });

  test("one that the mirror no longer has comes from the fallback", async () => {
    const snapshot = scratchDir("snapshot-");
    await cp(folder, snapshot, { recursive: true });
    await rm(arm.file);
    const [file = ""] = await download(step, [arm.locked], { mirror, fallback: mirrorIn(snapshot) });
    expect(await readFile(file)).toEqual(await readFile(join(snapshot, "debian", arm.locked.path)));
  });
});

describe("what cannot be had", () => {
  test.each([
    ["longer", (deb: Buffer) => Buffer.concat([deb, Buffer.from("more")])],
    ["as long", (deb: Buffer) => Buffer.from(deb).fill(0, 200, 210)],
  ])("a file that is another one, %s, is not Debian's; nothing of it stays", async (_, change) => {
    await writeFile(arm.file, change(await readFile(arm.file)));
    const failed = download(step, [arm.locked, hand.locked], { mirror, fallback: undefined });
    await expect(failed).rejects.toMatchObject({ code: "RTK_MIRROR_UNTRUSTED", exitStatus: 1 });
    await expect(failed).rejects.not.toThrow(folder);
    // What was sound need not be fetched again.
    expect(await cached()).toEqual([hand.locked.sha256]);
  });

  test.each([undefined, "http://127.0.0.1:1/debian"])(
    "a package that is gone is named; a fallback that does not answer (%s) is not what is wrong",
    async (fallback) => {
      await rm(arm.file);
      const dated = fallback === undefined ? undefined : { archive: fallback, security: fallback, origin: "snapshot" };
      await expect(download(step, [arm.locked, hand.locked], { mirror, fallback: dated })).rejects.toMatchObject({
        code: "RTK_PACKAGE_GONE",
        message: expect.stringMatching(/^the Debian mirror no longer has robot-arm 1:2\.0\+git~1-1(?:, |$)/) as string,
        hint: expect.stringContaining("rtkit update") as string,
      });
    },
  );

  test("a server that says 404 no longer has it", async () => {
    const server = createServer((_, response) => response.writeHead(404).end()).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const gone = { archive: `${root}/debian`, security: `${root}/debian-security`, origin: "--mirror" };
    await expect(download(step, [arm.locked], { mirror: gone, fallback: undefined })).rejects.toMatchObject({
      code: "RTK_PACKAGE_GONE",
    });
    server.close();
  });

  test("many that are gone are not all named", async () => {
    await rm(join(folder, "debian"), { recursive: true });
    await mkdir(join(folder, "debian"));
    const gone = Array.from({ length: 7 }, (_, index) => ({
      ...arm.locked,
      name: `robot-${index}`,
      sha256: String(index).repeat(64),
    }));
    await expect(download(step, gone, { mirror, fallback: undefined })).rejects.toMatchObject({
      code: "RTK_PACKAGE_GONE",
      message: expect.stringMatching(/robot-4 1:2\.0\+git~1-1, and 2 more$/) as string,
    });
  });

  test("a mirror that does not answer is told so, without its name", async () => {
    const silent = { archive: "http://127.0.0.1:1/debian", security: "http://127.0.0.1:1/sec", origin: "--mirror" };
    const failed = download(step, [arm.locked], { mirror: silent, fallback: undefined });
    await expect(failed).rejects.toMatchObject({ code: "RTK_MIRROR_UNREACHABLE" });
    await expect(failed).rejects.not.toThrow("127.0.0.1");
  });
});
