import { RtkitError, usageError } from "../../core/errors.ts";
import { formatMs, formatSize } from "../../core/units.ts";
import { chooseDisks, type ChosenDisk } from "../../flash/choose.ts";
import type { Disk } from "../../flash/disks.ts";
import { countBytes } from "../../flash/extents.ts";
import { flash, type Flashed, type FlashOptions } from "../../flash/flash.ts";
import type { ImageSource } from "../../flash/image.ts";
import { unreadable } from "../../flash/image-failures.ts";
import { openImage } from "../../flash/open-image.ts";
import { readDisks } from "../../flash/machine.ts";
import { SETTINGS_HEAD_BYTES } from "../../flash/settings-patch.ts";
import { unmountAll } from "../../flash/unmount.ts";
import type { Context } from "../../pipeline/step.ts";
import { askOnTerminal } from "../ask.ts";
import { builtImage, loadOptions, warn } from "../project.ts";
import type { CommandResult, GlobalOptions } from "../session.ts";
import { prepareFirstBoot, type FirstBoot } from "./first-boot.ts";
import type { FirstBootOptions } from "./first-boot-options.ts";
import { imageFacts, type ImageFacts } from "./image-facts.ts";
import { diskProgress } from "./progress.ts";

/** Options of `rtkit flash`, as commander reads them. */
export interface FlashCommandOptions extends GlobalOptions, FirstBootOptions {
  readonly project?: string;
  readonly board?: string;
  readonly device?: readonly string[];
  readonly list?: true;
  readonly sha256?: string;
  /** False with `--no-verify`. */
  readonly verify: boolean;
  readonly yes?: true;
  readonly iMean?: readonly string[];
  readonly dryRun?: true;
}

/** The work of `rtkit flash`: learns what there is to know of the image, asks for the disk, writes, says what comes next. */
export async function flashImage(
  context: Context,
  named: string | undefined,
  options: FlashCommandOptions,
): Promise<CommandResult> {
  const { signal } = context;
  const path = isStdin(named) ? "-" : (named ?? (await lastBuild(context, options)));
  if (path === "-" && isStdin(options.wifiPassphraseFile)) {
    throw usageError("RTK_FLASH_PASSPHRASE", "standard input cannot be the image and the pass-phrase", {
      hint: "give the pass-phrase in another file: --wifi-passphrase-file",
    });
  }
  // Meanwhile the image is looked at.
  const listed = readDisks(signal);
  listed.catch(() => undefined);
  const facts = await factsOf(context, path, options.sha256);
  const image = await openImage({
    path,
    ...(facts.sha256 === undefined ? {} : { sha256: facts.sha256 }),
    stdin: 0,
    signal,
  });
  try {
    const { map } = facts;
    const { disks, firstBoot } = await prepare(context, image, { path, mapped: map?.size, listed }, options);
    if (options.dryRun === true) return preview(image, map, disks);
    for (const disk of disks) await unmountAll(disk, signal);
    const started = performance.now();
    const flashed = await write(
      context,
      { image, map, patches: firstBoot.patches, verify: options.verify, signal },
      disks,
    );
    const seconds = Math.round(performance.now() - started) / 1000;
    const next = flashed.some(({ error }) => error === undefined) ? await firstBoot.finish() : [];
    return report(image.name, disks, flashed, seconds, next);
  } finally {
    await image.close();
  }
}

/** Looks at the image's beginning, which needs not stay in memory, and asks all there is to ask. */
async function prepare(
  context: Context,
  image: ImageSource,
  {
    path,
    mapped,
    listed,
  }: { readonly path: string; readonly mapped: number | undefined; readonly listed: Promise<readonly Disk[]> },
  options: FlashCommandOptions,
): Promise<{ readonly disks: readonly ChosenDisk[]; readonly firstBoot: FirstBoot }> {
  const { signal } = context;
  const head = await image.head(SETTINGS_HEAD_BYTES);
  if (head.length === 0) throw unreadable(image.name, "has nothing in it");
  requireSize(image, mapped);
  const disks = await chooseDisks(
    {
      devices: options.device ?? [],
      mean: options.iMean ?? [],
      yes: options.yes === true,
      image: image.name,
      imageBytes: mapped ?? image.size,
      imagePath: path === "-" ? undefined : path,
    },
    {
      disks: async () => listed,
      ask: options.json === true || path === "-" ? undefined : askOnTerminal(signal),
    },
  );
  return { disks, firstBoot: await prepareFirstBoot(context, head, disks.length, options) };
}

function isStdin(path: string | undefined): boolean {
  return ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].includes(path ?? "");
}

async function lastBuild(context: Context, options: FlashCommandOptions): Promise<string> {
  const { loadProject } = await import("../../config/load.ts");
  const { project, warnings } = await loadProject(loadOptions(options));
  warn(context, warnings);
  return builtImage(project, "name an image");
}

/** What is known of an image before it is read; a checksum on the command line counts before all. */
async function factsOf(context: Context, path: string, sum: string | undefined): Promise<ImageFacts> {
  if (sum !== undefined && !/^[0-9a-f]{64}$/i.test(sum)) {
    throw usageError("RTK_FLASH_SHA256", `--sha256 ${sum} is no sha256: it has 64 hexadecimal digits`, {
      hint: "copy it as it was published, without the file's name",
    });
  }
  if (path === "-") return { map: undefined, sha256: sum };
  const facts = await imageFacts(path, (message) => context.emit({ type: "warning", message }));
  return { ...facts, sha256: sum ?? facts.sha256 };
}

/** A block map of another image would leave holes in this one. */
function requireSize(image: ImageSource, mapped: number | undefined): void {
  if (mapped === undefined || image.size === undefined || image.size === mapped) return;
  throw new RtkitError(
    "RTK_FLASH_DAMAGED",
    `${image.name} has ${image.size} bytes, and its block map is of an image of ${mapped}`,
    { hint: "get or build both again; without the block map's file all of the image is written" },
  );
}

async function write(
  context: Context,
  options: FlashOptions,
  disks: readonly ChosenDisk[],
): Promise<readonly Flashed[]> {
  const fraction = (): number | undefined => options.image.progress();
  const targets = disks.map(({ path, ...chosen }) => ({
    path,
    chosen,
    progress: diskProgress(context, { path, verify: options.verify, fraction }),
  }));
  try {
    const flashed = await flash(options, targets, () => {
      // Only now: before, sudo may ask for a password in the place of the list.
      context.emit({ type: "plan", steps: targets.flatMap(({ progress }) => progress.steps) });
    });
    for (const [index, { progress }] of targets.entries()) progress.end(flashed[index]?.error !== undefined);
    return flashed;
  } catch (error) {
    for (const [index, { progress }] of targets.entries()) {
      const there = progress.whatIsThere();
      progress.end(true);
      if (there !== undefined) context.emit({ type: "warning", message: `${disks[index]?.name}: ${there}` });
    }
    throw error;
  }
}

function preview(image: ImageSource, map: ImageFacts["map"], disks: readonly ChosenDisk[]): CommandResult {
  const bytes = map === undefined ? image.size : countBytes(map.ranges);
  const size = bytes === undefined ? "all of it" : formatSize(bytes);
  return {
    result: { devices: disks.map(({ path }) => ({ device: path })), image: image.name, bytes },
    text: disks.map(({ name }) => `${name}: ${image.name} would be written (${size})`).join("\n"),
  };
}

/** One disk's part of the result has the fields of the whole as well, for scripts that know of one. */
function report(
  image: string,
  disks: readonly ChosenDisk[],
  flashed: readonly Flashed[],
  seconds: number,
  next: readonly string[],
): CommandResult {
  const devices = flashed.map(({ path, bytes, verified, error }) => ({
    device: path,
    ok: error === undefined,
    bytes,
    seconds,
    verified,
    ...(error === undefined ? {} : { code: error.code, reason: error.message }),
  }));
  const [only] = devices;
  const failed = flashed.flatMap(({ error }) => error ?? []);
  if (flashed.length === 1 && failed[0] !== undefined) throw failed[0];
  const lines = flashed.map(({ bytes, verified, error }, index) => {
    const name = disks[index]?.name ?? "";
    if (error !== undefined) return `${name}: ${error.message}${error.hint === undefined ? "" : `\n  → ${error.hint}`}`;
    const rate = `${formatSize(bytes)} in ${formatMs(1000 * seconds)}, ${formatSize(bytes / seconds)}/s`;
    return `${name}: ${image} is on it${verified ? ", verified" : ""} (${rate}); it can be pulled out`;
  });
  return {
    result: { ...(devices.length === 1 ? only : {}), devices },
    text: [...lines, ...next].join("\n"),
    status: failed.length === 0 ? 0 : 1,
  };
}
