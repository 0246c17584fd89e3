import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FIRST_BOOT_KEYS, firstBootFile } from "../../config/first-boot.ts";
import type { Project } from "../../config/model.ts";
import type { StepOutput } from "../../pipeline/step.ts";
import type { Layer } from "../../rootfs/layer.ts";

/** The program of overlay `base` that applies settings. */
const PROGRAM = "usr/lib/rtnode/first-boot";

/** Debian packages without which settings cannot be applied, by how their keys begin. */
const NEEDED = { wifi_: "wpasupplicant", timezone: "tzdata" };

/**
 * The file of the first boot's settings for a project's boot partition. Null where nobody would read it: the board does
 * not mount its boot partition, or the overlays do without the program.
 */
export async function firstBootSettings(
  { board, image }: Project,
  layers: readonly Layer[],
  contents: StepOutput,
): Promise<string | null> {
  const isRead = layers.some(({ entries }) => entries.some(({ path }) => path === PROGRAM));
  const boot = board.partitions.find(({ content }) => content === "boot");
  if (!isRead || boot?.filesystem !== "fat32" || boot.mount === null) return null;
  const text = await readFile(join(contents.dir, "packages.json"), "utf8");
  const installed = new Set((JSON.parse(text) as { readonly name: string }[]).map(({ name }) => name));
  const lacking = Object.entries(NEEDED).filter(([, name]) => !installed.has(name));
  const takes = FIRST_BOOT_KEYS.filter((key) => !lacking.some(([start]) => key.startsWith(start)));
  return firstBootFile({ hostname: image.hostname, takes });
}
