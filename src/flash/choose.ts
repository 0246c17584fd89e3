import { realpath } from "node:fs/promises";
import { RtkitErrors, usageError, type RtkitError } from "../core/errors.ts";
import type { Disk } from "./disks.ts";
import { printable } from "../core/printable.ts";
import { judge, type Verdict } from "./policy.ts";

/** A disk that somebody has chosen, and that may be written to. */
export interface ChosenDisk {
  /** E.g. `/dev/sda`. */
  readonly path: string;
  /** For people: `Generic STORAGE DEVICE (/dev/sda, 31.9 GB)`. */
  readonly name: string;
  /** Where something of it is mounted, parents before what is below. */
  readonly mounts: readonly string[];
  readonly sizeBytes: number;
  /** See {@link Disk}: what tells it from another disk that gets its name. */
  readonly sequence: number | undefined;
}

/** What {@link chooseDisks} is told. */
export interface ChooseRequest {
  /** `--device`: paths that lead to disks; none: ask. */
  readonly devices: readonly string[];
  /** `--i-mean`: answers given in advance. */
  readonly mean: readonly string[];
  /** `--yes`: do not ask. */
  readonly yes: boolean;
  /** For people: the image's name. */
  readonly image: string;
  readonly imageBytes: number | undefined;
  readonly imagePath: string | undefined;
}

/** What {@link chooseDisks} needs from outside. */
export interface ChooseIo {
  readonly disks: () => Promise<readonly Disk[]>;
  /** Asks on the terminal; undefined where there is none. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
}

/**
 * Finds out which disks to write to. Without `devices` it shows what there is and asks; no disk is ever chosen because it
 * is the only one. Each that is chosen has to be confirmed by typing its name, one that is no card or large by typing its
 * path and size. Throws RTK_FLASH_NO_DEVICE, RTK_FLASH_NOT_CONFIRMED, and for each refusal of the policy its code.
 */
export async function chooseDisks(request: ChooseRequest, io: ChooseIo): Promise<readonly ChosenDisk[]> {
  const disks = await io.disks();
  const image = { imageBytes: request.imageBytes, imagePaths: await pathsOf(request.imagePath, disks) };
  const judged = disks.map((disk) => ({ disk, verdict: judge(disk, image) }));
  const wanted =
    request.devices.length > 0
      ? await Promise.all(request.devices.map(async (device) => findDevice(device, judged)))
      : await askWhich(judged, io.ask);
  const chosen = [...new Set(wanted)];
  const refused = chosen.flatMap(({ disk, verdict }) => refusalsOf(disk, verdict));
  if (refused[0] !== undefined) throw refused.length === 1 ? refused[0] : new RtkitErrors(refused);
  for (const { disk, verdict } of chosen) await confirm(request, disk, verdict, io.ask);
  return chosen.map(({ disk, verdict }) => ({
    path: disk.path,
    name: nameOf(disk),
    mounts: verdict.unmount,
    sizeBytes: disk.sizeBytes,
    sequence: disk.sequence,
  }));
}

/** An image's real path, and where that is a loop device what it shows. Pipes have none. */
async function pathsOf(path: string | undefined, disks: readonly Disk[]): Promise<readonly string[]> {
  const real = path === undefined ? undefined : await realpath(path).catch(() => undefined);
  const backing = disks.find((disk) => disk.path === real)?.backing;
  return [real, backing].filter((one) => one !== undefined);
}

/** A disk, and what the policy says of it. */
export interface Judged {
  readonly disk: Disk;
  readonly verdict: Verdict;
}

/** Cards and sticks that may be written to. Other disks are only written to when they are named. */
export function candidates(judged: readonly Judged[]): readonly Judged[] {
  return judged
    .filter(({ verdict }) => verdict.refusals.length === 0 && verdict.doubt === undefined)
    .filter(({ disk }) => disk.kind !== "loop");
}

/** What a disk is called: what is printed on it, where it is, how large it is. */
export function nameOf({ model, path, sizeBytes }: Disk): string {
  return `${model === "" ? "disk" : model} (${path}, ${decimalSize(sizeBytes)})`;
}

/** A size as it is printed on cards, in powers of 1000: `31.9 GB`. */
export function decimalSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

async function findDevice(device: string, judged: readonly Judged[]): Promise<Judged> {
  const path = await realpath(device).catch(() => {
    throw usageError("RTK_FLASH_NO_DEVICE", `${device} does not exist`, {
      hint: "rtkit flash --list shows what there is",
    });
  });
  const found = judged.find(({ disk }) => disk.path === path);
  if (found !== undefined) return found;
  const whole = judged.find(({ disk }) => disk.parts.includes(path));
  throw usageError("RTK_FLASH_NOT_A_DISK", `${device} is ${whole === undefined ? "no disk" : "a part of a disk"}`, {
    hint: whole === undefined ? "rtkit flash --list shows what there is" : `the whole disk is ${whole.disk.path}`,
  });
}

async function askWhich(judged: readonly Judged[], ask: ChooseIo["ask"]): Promise<readonly Judged[]> {
  const offered = candidates(judged);
  const list = offered.map(({ disk }, index) => `  ${index + 1}  ${describeDisk(disk)}`).join("\n");
  if (offered.length === 0) {
    throw usageError("RTK_FLASH_NO_DEVICE", "there is no card or stick to write to", {
      hint: "put one in; rtkit flash --list shows the other disks, and --device names one",
    });
  }
  if (ask === undefined) {
    throw usageError("RTK_FLASH_NO_DEVICE", "which disk? There is no terminal to ask on", {
      hint: `name one with --device:\n${list}`,
    });
  }
  const answer = await ask(`${list}\nWhich of these? (a number; several with spaces between) `);
  return answer
    .trim()
    .split(/[\s,]+/)
    .map((word) => {
      const one = /^\d+$/.test(word) ? offered[Number(word) - 1] : undefined;
      if (one !== undefined) return one;
      throw usageError("RTK_FLASH_NO_DEVICE", "no disk was chosen; nothing is written", {
        hint: "answer with a number",
      });
    });
}

/** `Generic STORAGE DEVICE (/dev/sda, 31.9 GB): bootfs, rootfs; mounted at /media/ada/bootfs` */
export function describeDisk(disk: Disk): string {
  const places = printable(disk.mounts.map(({ at }) => at).join(", "));
  const mounts = places === "" ? "" : `; mounted at ${places}`;
  const labels = disk.labels.length === 0 ? "no names on it" : disk.labels.join(", ");
  return `${nameOf(disk)}: ${labels}${mounts}`;
}

function refusalsOf(disk: Disk, { refusals }: Verdict): RtkitError[] {
  return refusals.map(({ code, reason, hint }) => usageError(code, `${nameOf(disk)} ${reason}`, { hint }));
}

async function confirm(request: ChooseRequest, disk: Disk, verdict: Verdict, ask: ChooseIo["ask"]): Promise<void> {
  const full = `${disk.path} ${decimalSize(disk.sizeBytes)}`;
  const short = disk.path.replace(/^\/dev\//, "");
  const answers = verdict.doubt === undefined ? [short, disk.path, ...disk.stableNames, full] : [full];
  if (request.mean.some((answer) => answers.includes(answer))) return;
  const isStable = request.devices.some((device) => disk.stableNames.includes(device));
  if (request.yes && isStable && verdict.doubt === undefined) return;
  const why = verdict.doubt === undefined ? ":" : ` ${verdict.doubt}:`;
  if (request.yes || ask === undefined) {
    throw usageError("RTK_FLASH_NOT_CONFIRMED", `${nameOf(disk)}${why} it takes more to be sure that it is the one`, {
      hint: `add --i-mean ${verdict.doubt === undefined ? disk.path : `'${full}'`}`,
    });
  }
  const places = printable(verdict.unmount.join(", "));
  const unmounting = places === "" ? "" : ` ${places} will be unmounted.`;
  const wanted = verdict.doubt === undefined ? short : full;
  const answer = await ask(
    `${request.image} on ${nameOf(disk)}${verdict.doubt === undefined ? "" : `, which ${verdict.doubt}`}: all that is on it is lost.${unmounting}\nType ${wanted} to go on: `,
  );
  if (answers.includes(answer.trim())) return;
  throw usageError("RTK_FLASH_NOT_CONFIRMED", `${nameOf(disk)} is not written to`, {
    hint: `the answer would be ${wanted}`,
  });
}
