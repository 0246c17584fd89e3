import { beforeAll, expect, test } from "vitest";
import { compileWith } from "./compile.ts";
import { buildDevicePrograms, run } from "./support.ts";

let program = "";
beforeAll(async () => {
  await buildDevicePrograms();
  program = await compileWith("librtnode.so", ["madvise.c"]);
});

test.each([
  ["unlocked", "memory is given back, as ever", "0 ERANGE zero 0"],
  ["locked", "memory is empty, and in RAM again", "0 ERANGE zero 16"],
  ["read-only", "memory too, as far as there is something to be had", "0 ERANGE zero 0"],
  ["no-rights", "memory, which V8 has much of, is no mistake", "0 ERANGE"],
  ["empty", "piece of it is no mistake", "0 ERANGE kept 16"],
  ["unmapped", "piece of it still is one", "-1 ENOMEM"],
  ["unaligned", "memory too", "-1 EINVAL"],
  ["free", "(MADV_FREE) on locked memory too: nobody asked for it to be in RAM", "-1 EINVAL"],
  ["unknown", "advice too", "-1 EINVAL"],
])("madvise: %s %s", async (kind, _, outcome) => {
  expect(await run([program, kind])).toMatchObject({ status: 0, stdout: `${outcome}\n` });
});
