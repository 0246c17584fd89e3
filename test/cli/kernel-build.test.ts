import { appendFile, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { initProject } from "../../src/cli/init.ts";
import { runCli } from "../../src/cli/program.ts";
import { scratchDir } from "../scratch.ts";

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

it("kernel build says that its folder cannot be written before anything is done", async () => {
  const dir = join(scratchDir("rtkit-kernel-"), "robot");
  await initProject(dir);
  await appendFile(join(dir, "rtkit.yaml"), "\nkernel:\n  source: debian\n");
  await mkdir(join(dir, "out"));
  // Nobody can make anything in sysfs, not even root.
  await symlink("/sys", join(dir, "out", "rpi4"));
  vi.stubEnv("RTKIT_CACHE", scratchDir("cache-"));
  const lines: string[] = [];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => lines.push(String(text)) > 0);
  const mirror = "http://127.0.0.1:1/debian";
  expect(await runCli(["kernel", "build", "--json", "--project", dir, "--board", "rpi4", "--mirror", mirror])).toBe(1);
  expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({
    type: "error",
    code: "RTK_FILE_ACCESS",
    message: expect.stringContaining(join(dir, "out", "rpi4")) as string,
  });
});
