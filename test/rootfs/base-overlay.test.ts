import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { loadOverlays } from "../../src/rootfs/overlay.ts";

const folder = join(rtkitRoot, "overlays");
const [base] = await loadOverlays([join(folder, "base")], { programsDir: "" });
const links = new Map(
  base?.entries.flatMap(({ path, content }) => (content.kind === "symlink" ? [[path, content.target] as const] : [])),
);

it("timers that do much are masked, and not logrotate's, which bounds the logs of packages that bring it", () => {
  const masked = [...links].flatMap(([path, target]) => (target === "/dev/null" ? [path.split("/").at(-1)] : []));
  expect(masked).toContain("fstrim.timer");
  expect(masked).not.toContain("logrotate.timer");
});

it("a unit that asks for network-online.target waits until one network is there, for half a minute at most", () => {
  const unit = "systemd-networkd-wait-online.service";
  const folderOfUnits = "/usr/lib/systemd/system";
  expect(links.get(`etc/systemd/system/network-online.target.wants/${unit}`)).toBe(`${folderOfUnits}/${unit}`);
  const text = readFileSync(join(folder, "base/rootfs", folderOfUnits, `${unit}.d/10-any.conf`), "utf8");
  expect(text.match(/^ExecStart=.*$/gm)).toEqual([
    "ExecStart=",
    "ExecStart=/usr/lib/systemd/systemd-networkd-wait-online --any --timeout=30",
  ]);
});

it("nothing of rtkit's own asks for it: a robot without a network starts as fast", () => {
  const units = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) =>
    /\/systemd\/system\/.*\.(?:service|target|socket|timer|mount|path|conf)$/.test(path),
  );
  expect(units).toContain("rtnode/rootfs/usr/lib/systemd/system/rtnode.target");
  const asking = units.filter((path) =>
    /^\w+=.*network-online\.target/m.test(readFileSync(join(folder, path), "utf8")),
  );
  expect(asking).toEqual([]);
});
