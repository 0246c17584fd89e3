import { expect, test } from "vitest";
import { kernelLayer } from "../../src/rootfs/kernel-layer.ts";

test("a compiled kernel's layer has its modules and the configuration it was made with, and nothing of the boot partition", () => {
  const record = { size: 3, sha256: "0".repeat(64) };
  const files = {
    "kernel/config": record,
    "kernel/vmlinuz": record,
    "modules/lib/modules/6.12.118-rtkit/kernel/drivers/net/can/vcan.ko": record,
    "modules/lib/modules/6.12.118-rtkit/modules.dep": record,
  };
  const output = { dir: "/cache/kernel-build/1/out", digest: "", cached: true, files };
  const { entries } = kernelLayer(output, "6.12.118-rtkit", { file: "rtkit.yaml" });
  expect(entries.map(({ path }) => path)).toEqual([
    "boot/config-6.12.118-rtkit",
    "usr/lib/modules/6.12.118-rtkit/kernel/drivers/net/can/vcan.ko",
    "usr/lib/modules/6.12.118-rtkit/modules.dep",
  ]);
  expect(entries[0]).toMatchObject({
    content: { kind: "file", source: "/cache/kernel-build/1/out/kernel/config", sha256: record.sha256 },
    mode: 0o644,
    owner: "root",
  });
});
