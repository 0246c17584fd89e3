import type { BoardInput } from "../board-schema.ts";
import type { Report } from "../report.ts";
import { suggestion } from "../suggest.ts";

/** What there is for boards to name. */
export interface BoardParts {
  /** Names of fragments in board-configs/kernel/. */
  readonly fragments: readonly string[];
  /** Names of folders in overlays/. */
  readonly overlays: readonly string[];
}

/** A label on FAT is a directory entry, 8+3 characters, upper case (Microsoft FAT specification, 7.1). */
const FAT_LABEL = /^[A-Z0-9_-]{1,11}$/;

/** Where each content has to be mounted on the board: design facts that units and launcher rely on. */
const MOUNTS: Readonly<Partial<Record<string, string>>> = { root: "/", data: "/opt/rtnode" };

/** RTK_BOARD_PART and RTK_BOARD_PARTITIONS. */
export function boardRules(board: BoardInput, parts: BoardParts, report: Report): void {
  named(board.kernel.fragments, parts.fragments, ["kernel", "fragments"], "fragment", report);
  named(board.overlays, parts.overlays, ["overlays"], "overlay", report);
  for (const rule of [uniquePartitions, contents, labels, growth]) rule(board, report);
}

function named(
  used: readonly string[],
  known: readonly string[],
  path: readonly string[],
  kind: string,
  report: Report,
): void {
  for (const [index, name] of used.entries()) {
    if (!known.includes(name)) {
      report.error(
        "RTK_BOARD_PART",
        [...path, index],
        `there is no ${kind} "${name}"`,
        suggestion(name, known, `${kind}s`),
      );
    } else if (used.indexOf(name) < index) {
      report.error("RTK_BOARD_PART", [...path, index], `"${name}" stands here a second time`, "remove one of them");
    }
  }
}

function uniquePartitions({ partitions }: BoardInput, report: Report): void {
  for (const key of ["name", "mount"] as const) {
    for (const [index, partition] of partitions.entries()) {
      const value = partition[key];
      if (value === undefined || partitions.findIndex((other) => other[key] === value) === index) continue;
      const what = `another partition has the ${key} "${value}"`;
      report.error("RTK_BOARD_PARTITIONS", ["partitions", index, key], what, "make them differ");
    }
  }
}

function contents({ partitions }: BoardInput, report: Report): void {
  for (const content of ["boot", "root", "data"] as const) {
    const count = partitions.filter((partition) => partition.content === content).length;
    if (count === 1) continue;
    const what = `there must be one partition with content ${content}, not ${count}`;
    report.error("RTK_BOARD_PARTITIONS", ["partitions"], what, "see board-configs/rpi4.yaml", "key");
  }
  for (const [index, { content, filesystem, mount, size }] of partitions.entries()) {
    const path = ["partitions", index];
    const needed = content === "boot" ? "fat32" : content === "empty" ? filesystem : "ext4";
    if (filesystem !== needed) {
      const hint = content === "boot" ? "firmware reads nothing else" : "FAT has no owners and modes";
      report.error("RTK_BOARD_PARTITIONS", [...path, "filesystem"], `content ${content} needs ${needed}`, hint);
    }
    const wanted = MOUNTS[content];
    if (wanted !== undefined && mount !== wanted) {
      const what = `content ${content} has to be mounted at ${wanted}`;
      report.error("RTK_BOARD_PARTITIONS", [...path, "mount"], what, `write mount: ${wanted}`);
    }
    if (content === "empty" && size === "auto") {
      report.error(
        "RTK_BOARD_PARTITIONS",
        [...path, "size"],
        "an empty partition needs a size",
        "write for example 1G",
      );
    }
  }
}

function labels({ partitions }: BoardInput, report: Report): void {
  for (const [index, { name, filesystem }] of partitions.entries()) {
    if (filesystem !== "fat32" || FAT_LABEL.test(name)) continue;
    const hint = "use 1 to 11 capital letters, digits, _ and -";
    report.error("RTK_BOARD_PARTITIONS", ["partitions", index, "name"], `"${name}" is not a label for FAT`, hint);
  }
}

/** The partition table of an MBR has four entries; the last describes an extended partition when there are more. */
const MBR_ENTRIES = 4;

function growth({ partitions, partitionTable }: BoardInput, report: Report): void {
  for (const [index, { grow }] of partitions.entries()) {
    if (grow !== true) continue;
    const refuse = (what: string, hint: string): void => {
      report.error("RTK_BOARD_PARTITIONS", ["partitions", index, "grow"], what, hint, "key");
    };
    if (index !== partitions.length - 1)
      refuse("only the last partition can grow", "move it to the end, or remove grow");
    else if (partitionTable === "mbr" && partitions.length > MBR_ENTRIES) {
      // It is in the extended partition, which stays as large as it is.
      refuse(
        "of more than four partitions of an MBR the last cannot grow",
        "write partitionTable: gpt, have at most four partitions, or remove grow",
      );
    }
  }
}
