import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { buildImage } from "../../../src/cli/build/build-image.ts";
import { projectOf, temporaryFolder } from "../../bundle/robot.ts";
import { watchedContext } from "../../pipeline/fixtures.ts";

it("a folder that the image cannot be written to is said before anything is done", async () => {
  const dir = await temporaryFolder();
  const context = watchedContext(join(dir, "cache"));
  await mkdir(join(dir, "out"));
  // Nobody can make anything in sysfs, not even root.
  await symlink("/sys", join(dir, "out", "bench"));
  const options = { mirror: "http://127.0.0.1:1/debian", locked: false, emulate: false };
  await expect(buildImage(context, projectOf(dir, []), options)).rejects.toMatchObject({
    code: "RTK_FILE_ACCESS",
    message: expect.stringContaining(join(dir, "out", "bench")) as string,
  });
  expect(context.events).toEqual([]);
});
