import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { expect } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { scratchDir } from "../scratch.ts";

/** The program under test. */
export const program = join(rtkitRoot, "src", "device", "rtnodectl");

export const sha256 = (text: string | Buffer): string => createHash("sha256").update(text).digest("hex");

/** A release: its files by path, its list, its id. */
export interface Release {
  readonly files: Readonly<Record<string, string>>;
  readonly sums: string;
  readonly id: string;
}

/** A release whose nodes are programs with this text. */
export function release(nodes: Readonly<Record<string, string>>): Release {
  const files: Record<string, string> = { "manifest.json": `${JSON.stringify(Object.keys(nodes))}\n` };
  for (const [name, text] of Object.entries(nodes)) {
    files[`nodes/${name}.conf`] = "program /usr/bin/python3\n";
    files[`nodes/${name}.pyz`] = text;
  }
  return ofFiles(files);
}

/** A release of these files; a file's characters are its bytes. */
export function ofFiles(files: Readonly<Record<string, string>>): Release {
  const sums = Object.keys(files)
    .toSorted()
    .map((path) => `${sha256(bytes(files[path] ?? ""))}  ${path}\n`)
    .join("");
  return { files, sums, id: sha256(sums) };
}

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

/** What is sent for a release to a board that has files with these digests. */
export function stream({ files, sums }: Release, has: readonly string[] = []): string {
  const blobs = new Map(Object.values(files).map((text) => [sha256(bytes(text)), text]));
  const sent = [...blobs].filter(([digest]) => !has.includes(digest));
  const all = sent.reduce((sum, [, { length }]) => sum + length, 0);
  return `SUMS ${sums.length}\n${sums}ALL ${all}\n${sent.map(([digest, text]) => `BLOB ${digest} ${text.length}\n${text}`).join("")}END\n`;
}

export interface Outcome {
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** A board's file system below a folder, with the real rtnodectl and stand-ins for systemd. */
export interface Board {
  readonly root: string;
  /** The environment that makes rtnodectl look there. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs rtnodectl; the input's characters are its bytes. */
  readonly rtnodectl: (words: readonly string[], input?: string) => Promise<Outcome>;
  /** Starts rtnodectl, for what happens meanwhile; its input stays open. */
  readonly start: (...words: string[]) => ChildProcessWithoutNullStreams;
  /** Runs it, which must succeed; what it prints. */
  readonly done: (words: readonly string[], input?: string) => Promise<string>;
  /** Sends a release in full. */
  readonly send: (made: Release) => Promise<string>;
  /** A path in /opt/rtnode. */
  readonly opt: (path?: string) => string;
  /** The release that `current` or `previous` names. */
  readonly linked: (name: string) => string;
  /** What systemd was asked to change since the last time. */
  readonly calls: () => string[];
  /** Puts a program in place of the board's. */
  readonly standIn: (name: string, script: string) => void;
}

export function makeBoard(root = scratchDir("rtnode-release-")): Board {
  for (const dir of ["opt/rtnode/releases", "run", "bin", "usr/lib/rtnode"])
    mkdirSync(join(root, dir), { recursive: true });
  writeFileSync(join(root, "usr/lib/rtnode/groups"), "gpio\nspi\n");
  const standIn = (name: string, script: string): void => {
    writeFileSync(join(root, "bin", name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(root, "bin", name), 0o755);
  };
  for (const name of ["systemctl", "systemd-run"]) standIn(name, `echo "${name} $*" >>'${root}/calls'`);
  // Some of what it does is not for those who come through sudo.
  const env = {
    RTNODE_ROOT: root,
    SUDO_USER: "",
    PATH: `${join(root, "bin")}${delimiter}${process.env["PATH"] ?? ""}`,
  };
  const rtnodectl = async (words: readonly string[], input = ""): Promise<Outcome> => {
    const options = { env, input: bytes(input), reject: false } as const;
    const { exitCode, stdout, stderr } = await execa("sh", [program, ...words], options);
    return { status: exitCode, stdout, stderr };
  };
  const done = async (words: readonly string[], input = ""): Promise<string> => {
    const outcome = await rtnodectl(words, input);
    expect(outcome).toMatchObject({ status: 0 });
    return outcome.stdout;
  };
  const opt = (path = ""): string => join(root, "opt/rtnode", path);
  return {
    root,
    env,
    rtnodectl,
    start: (...words) => spawn("sh", [program, ...words], { env: { ...process.env, ...env } }),
    done,
    send: (made) => done(["receive", made.id], stream(made)),
    opt,
    linked: (name) => readlinkSync(opt(name)).replace("releases/", ""),
    calls: () => {
      const file = join(root, "calls");
      const text = existsSync(file) ? readFileSync(file, "utf8") : "";
      rmSync(file, { force: true });
      return text.split("\n").filter((line) => /^(systemctl (re)?start|systemd-run)/.test(line));
    },
    standIn,
  };
}
