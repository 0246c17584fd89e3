import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { firstBootSettings } from "../../../src/cli/build/first-boot.ts";
import { readFirstBootFile } from "../../../src/config/first-boot.ts";
import { loadProject } from "../../../src/config/load.ts";
import type { Partition, Project } from "../../../src/config/model.ts";
import { rtkitRoot } from "../../../src/core/paths.ts";
import { loadOverlays } from "../../../src/rootfs/overlay.ts";
import { scratchDir } from "../../scratch.ts";

const base = await loadOverlays([join(rtkitRoot, "overlays/base")], { programsDir: "" });
const { project } = await loadProject({ cwd: rtkitRoot, dir: "examples/arm" });

/** The settings file of an image with these packages. */
async function fileOf(packages: readonly string[], layers = base, of: Project = project): Promise<string | null> {
  const dir = scratchDir("rtkit-contents-");
  writeFileSync(join(dir, "packages.json"), JSON.stringify(packages.map((name) => ({ name }))));
  return firstBootSettings(of, layers, { dir, digest: "", files: {}, cached: true });
}

async function takes(packages: readonly string[]): Promise<readonly string[]> {
  return readFirstBootFile((await fileOf(packages)) ?? "")?.takes ?? [];
}

it("an image says its own name, and takes what its packages can apply", async () => {
  expect(readFirstBootFile((await fileOf([])) ?? "")?.hostname).toBe("arm");
  expect(await takes([])).toEqual(["hostname", "ssh_key", "ssh_host_key", "static_ip", "gateway", "dns"]);
  expect(await takes(["tzdata"])).toContain("timezone");
  const wifi = ["wifi_ssid", "wifi_country", "wifi_psk", "wifi_passphrase"];
  expect((await takes(["tzdata", "wpasupplicant"])).filter((key) => key.startsWith("wifi"))).toEqual(wifi);
});

it("an image without the program that applies settings has no file for them", async () => {
  expect(await fileOf(["tzdata"], [])).toBeNull();
});

it("an image that does not mount its boot partition has none either", async () => {
  const partitions = project.board.partitions.map((partition): Partition =>
    partition.content === "boot" ? { ...partition, mount: null } : partition,
  );
  expect(await fileOf(["tzdata"], base, { ...project, board: { ...project.board, partitions } })).toBeNull();
});
