import { formatSize } from "../core/units.ts";
import type { ImagePartition } from "./disk-image.ts";
import type { Inspection } from "./inspect.ts";

/** Ordinary users' ids start here on Debian (adduser.conf, FIRST_UID); 65534 is nobody. */
const FIRST_UID = 1000;
const NOBODY = 65534;

/** An inspection for people: aligned text with a line end. */
export function renderInspection(inspection: Inspection): string {
  const { disk, boot, system, release } = inspection;
  const users = system.users.filter(({ uid }) => uid >= FIRST_UID && uid !== NOBODY).map(({ name }) => name);
  const lines = [
    ...section("Image", [
      `${disk.path}  ${formatSize(disk.size)}  ${disk.label === "gpt" ? "GPT" : "MBR"} ${disk.id}`,
      ...table(disk.partitions.map(partitionRow)),
    ]),
    ...section("Boot", [
      `command line: ${boot.cmdline}`,
      `files: ${boot.files.join(" ")}`,
      ...(boot.configTxt === null ? [] : configLines(boot.configTxt)),
    ]),
    ...section("System", [
      `${system.name}, host name ${system.hostname}`,
      `kernel ${system.kernelReleases.join(", ")}`,
      `${system.packages.length} packages`,
      `users: ${users.join(" ")}`,
      `units: ${system.enabledUnits.join(", ")}`,
    ]),
    ...section("Release", release === null ? ["none"] : [release.id, ...table(release.nodes.map(nodeRow))]),
  ];
  return `${lines.join("\n")}\n`;
}

function partitionRow({ number, start, size, partUuid, filesystem }: ImagePartition): string[] {
  const contents = filesystem === null ? ["?", "", ""] : [filesystem.type, filesystem.label, filesystem.uuid];
  return [String(number), `at ${formatSize(start)}`, formatSize(size), ...contents, `PARTUUID ${partUuid}`];
}

function nodeRow({ program, options }: NonNullable<Inspection["release"]>["nodes"][number]): string[] {
  return [program, options.join("  ")];
}

function configLines(text: string): string[] {
  const settings = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return ["config.txt:", ...settings.map((line) => `  ${line}`)];
}

function section(title: string, lines: readonly string[]): string[] {
  return [title, ...lines.map((line) => `  ${line}`)];
}

function table(rows: readonly (readonly string[])[]): string[] {
  const width = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(width(column)))
      .join("  ")
      .trimEnd(),
  );
}
