import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { buildDevicePrograms, launch } from "./support.ts";
import { scratchDir } from "../scratch.ts";

const source = (name: string): string => readFileSync(join(rtkitRoot, "src", "device", name), "utf8");
const found = (text: string, pattern: RegExp): string[] =>
  [...new Set([...text.matchAll(pattern)].map((match) => match[1] ?? ""))].toSorted();

/** The table of options: {"policy", VALUE | ANYWHERE, ...}. */
const table = [...source("words.c").matchAll(/^ {4}\{"([a-z-]+)", ([A-Z_ |]+),/gm)].map(([, word = "", kind = ""]) => ({
  word,
  place: /ANYWHERE|IN_FILE|ON_COMMAND_LINE/.exec(kind)?.[0],
}));
const words = (...places: string[]): string[] =>
  table.filter(({ place }) => places.includes(place ?? "")).map(({ word }) => word);
/** Those that are not in the table: the file itself, and what prints and ends. */
const others = ["bins", "config", "help", "json", "version", "watch"];
const options = [...words("ANYWHERE", "ON_COMMAND_LINE"), ...others].toSorted();
const inFile = words("IN_FILE").toSorted();

const manual = source("rt-launch.1");
let help = "";
beforeAll(async () => {
  await buildDevicePrograms();
  help = (await launch("--help")).stdout;
});

test("the table was read", () => {
  expect(table.length).toBeGreaterThan(20);
  for (const { place } of table) expect(place).toBeDefined();
});

describe("--help", () => {
  test("has every option and no other", () => {
    expect(found(help, /--([a-z-]+)/g)).toEqual(options);
  });

  test("has every word that stands in files only", () => {
    expect(found(help, /`([a-z]+)(?: [A-Z]+)?`(?! prints)/g)).toEqual(inFile);
  });
});

describe("rt-launch(1)", () => {
  test("has every option and no other", () => {
    expect(found(manual, /Fl Fl ([a-z-]+)/g)).toEqual(options);
  });

  test("explains every option once", () => {
    const explained = [...manual.matchAll(/^\.It (Fl Fl .*)$/gm)].flatMap(([, line = ""]) =>
      [...line.matchAll(/Fl Fl ([a-z-]+)/g)].map((match) => match[1]),
    );
    // Those of show are explained where it is.
    expect(explained.toSorted()).toEqual(options.filter((option) => !["bins", "json", "watch"].includes(option)));
  });

  test("has the words that stand in files only, and says which options do not stand there", () => {
    const explained = [...manual.matchAll(/^\.It (Ic .*)$/gm)].flatMap(([, line = ""]) => found(line, /Ic ([a-z]+)/g));
    expect(explained.toSorted()).toEqual(inFile);
    const only = manual.slice(
      manual.indexOf("These stand on the command line only"),
      manual.indexOf(".Sh ENVIRONMENT"),
    );
    expect(found(only, /Fl Fl ([a-z-]+)/g)).toEqual(words("ON_COMMAND_LINE").toSorted());
  });

  test("has the exit statuses of report.h", () => {
    expect(found(source("report.h"), /= (\d+)/g)).toEqual(found(manual, /^\.It (\d+)$/gm));
  });

  test("its config file is one", async () => {
    const example = /^\.Bd .*\n(# a node\n[^]*?)\.Ed$/m.exec(manual)?.[1] ?? "";
    const file = join(scratchDir("manual-"), "node.conf");
    // Without what this machine may not have: the words are what counts.
    writeFileSync(file, example.replace("program /usr/bin/python3", "program /no/such").replace(/^chdir .*\n/m, ""));
    expect(await launch("--config", file)).toMatchObject({
      status: 127,
      stderr: "rt-launch: /no/such: No such file or directory\n",
    });
  });
});

test("--version is the package's", async () => {
  const { version } = JSON.parse(readFileSync(join(rtkitRoot, "package.json"), "utf8"));
  expect(await launch("--version")).toMatchObject({ status: 0, stdout: `rt-launch ${version}\n`, stderr: "" });
});
