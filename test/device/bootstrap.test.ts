import { execa } from "execa";
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { scratchDir } from "../scratch.ts";

let root: string;
let stage: string;
let bin: string;
let state: string;

/** What the script calls of a system, with users and groups as files in $STATE; sync can be the moment of a power cut. */
const PROGRAMS = {
  visudo: 'if grep -q broken "$2"; then echo "syntax error" >&2; exit 1; fi',
  getent: '[ -e "$STATE/$1-$2" ]',
  id: 'cat "$STATE/in-$2" 2>/dev/null || :',
  "systemd-sysusers":
    'touch "$STATE/passwd-rtnode" "$STATE/group-rtnode" "$STATE/group-gpio"; echo realtime >"$STATE/in-pi"',
  "systemd-tmpfiles": 'mkdir -p "$RTNODE_ROOT/run/rtnode"',
  systemctl: 'echo "$*" >>"$STATE/asked"; case $* in *is-active*) exit 3 ;; esac',
  userdel: 'rm "$STATE/passwd-$1"',
  groupdel: 'rm "$STATE/group-$1"',
  gpasswd: 'rm -f "$STATE/in-$2"',
  sync: 'echo >>"$STATE/syncs"; if [ "$(wc -l <"$STATE/syncs")" = "${CUT:-}" ]; then kill -9 "$PPID"; fi',
};

function put(base: string, path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(join(base, path)), { recursive: true });
  writeFileSync(join(base, path), text, { mode });
}

beforeEach(() => {
  const dir = scratchDir("rtkit-bootstrap-sh-");
  [root, stage, bin, state] = ["root", "stage", "bin", "state"].map((name) => join(dir, name)) as [
    string,
    string,
    string,
    string,
  ];
  for (const folder of [stage, bin, state, join(root, "run"), join(root, "usr/lib/udev")]) {
    mkdirSync(folder, { recursive: true });
  }
  for (const [name, text] of Object.entries(PROGRAMS)) put(bin, name, `#!/bin/sh\n${text}\n`, 0o755);
  put(root, "etc/os-release", "NAME=stock\n");
  put(root, "opt/keep", "");
  cpSync(join(rtkitRoot, "src/device/bootstrap.sh"), join(stage, "bootstrap.sh"));
  put(stage, "files/etc/sudoers.d/rtnode", "pi ALL=(root) NOPASSWD: rtnodectl\n", 0o440);
  put(stage, "files/usr/lib/rtnode/rtnodectl", "#!/bin/sh\n", 0o755);
  put(
    stage,
    "files/usr/lib/sysusers.d/rtnode.conf",
    "# comment\nu rtnode - - /run/rtnode\ng gpio - -\nm pi realtime\n",
  );
  put(stage, "files/usr/lib/tmpfiles.d/rtnode.conf", "d /run/rtnode\n");
  mkdirSync(join(stage, "files/opt/rtnode"), { recursive: true });
  mkdirSync(join(stage, "files/usr/lib/systemd/system"), { recursive: true });
  symlinkSync("../rtnode.target", join(stage, "files/usr/lib/systemd/system/rtnode.target.link"));
});

interface Ran {
  readonly status: number | undefined;
  readonly lines: readonly string[];
  readonly stderr: string;
}

async function run(words: readonly string[], cut?: number): Promise<Ran> {
  rmSync(join(state, "syncs"), { force: true });
  const { exitCode, stdout, stderr } = await execa("sh", [join(stage, "bootstrap.sh"), ...words], {
    env: {
      RTNODE_ROOT: root,
      STATE: state,
      PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}`,
      ...(cut === undefined ? {} : { CUT: `${cut}` }),
    },
    reject: false,
  });
  return { status: exitCode, lines: stdout.split("\n").filter((line) => line !== ""), stderr };
}

/** Everything below the root with type, mode and content, and the accounts. */
function snapshot(): string[] {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true }).map((entry) => {
    const path = join(entry.parentPath, entry.name);
    const content = entry.isSymbolicLink() ? readlinkSync(path) : entry.isFile() ? readFileSync(path, "utf8") : "";
    return `${path} ${entry.isSymbolicLink() ? "" : statSync(path).mode} ${content}`;
  });
  const accounts = readdirSync(state).filter((name) => /^(?:passwd|group|in)-/.test(name));
  return [...entries, ...accounts].toSorted();
}

const listed = (): string[] => readFileSync(join(root, "usr/lib/rtnode/installed"), "utf8").split("\n");

describe("a stock system", () => {
  it("gets the files, each with its mode, and a list of all that is there because of them", async () => {
    const { status, lines, stderr } = await run(["install", "pi"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(lines).toContain("put /etc/sudoers.d/rtnode");
    expect(statSync(join(root, "etc/sudoers.d/rtnode")).mode & 0o777).toBe(0o440);
    expect(readlinkSync(join(root, "usr/lib/systemd/system/rtnode.target.link"))).toBe("../rtnode.target");
    expect(listed()).toEqual(
      expect.arrayContaining([
        "file /usr/lib/rtnode/rtnodectl",
        "folder /opt/rtnode",
        "user rtnode",
        "member pi realtime",
      ]),
    );
    expect(listed()).toEqual(expect.arrayContaining(["login pi", "whole"]));
    expect(listed()).not.toContain("folder /usr/lib");
  });

  it("is not touched by a second time", async () => {
    await run(["install", "pi"]);
    const before = snapshot();
    rmSync(join(state, "asked"));
    expect(await run(["install", "pi"])).toEqual({ status: 0, lines: [], stderr: "" });
    expect(snapshot()).toEqual(before);
    expect(readdirSync(state)).not.toContain("asked");
  });

  it("gets what a newer rtkit has, and loses what only the older one had", async () => {
    await run(["install", "pi"]);
    put(stage, "files/usr/lib/rtnode/rtnodectl", "#!/bin/sh\n# newer\n", 0o755);
    put(stage, "files/usr/lib/rtnode/more", "");
    rmSync(join(stage, "files/usr/lib/systemd"), { recursive: true });
    const { lines } = await run(["install", "pi"]);
    expect(lines.toSorted()).toEqual([
      "put /usr/lib/rtnode/more",
      "put /usr/lib/rtnode/rtnodectl",
      "removed /usr/lib/systemd/system/rtnode.target.link",
      "whole",
    ]);
    expect(listed().filter((line) => line.includes("target.link"))).toEqual([]);
  });

  it("keeps a file of its own: nothing is done", async () => {
    put(root, "usr/lib/tmpfiles.d/rtnode.conf", "mine\n");
    const before = snapshot();
    const { status, stderr } = await run(["install", "pi"]);
    expect(status).toBe(1);
    expect(stderr).toBe("/usr/lib/tmpfiles.d/rtnode.conf is there already and is not rtkit's: it would be overwritten");
    expect(snapshot().filter((line) => !line.includes("rtnodectl.lock"))).toEqual(before);
  });

  it("gets no rule for sudo that is not valid, and keeps somebody's own /opt/rtnode", async () => {
    put(stage, "files/etc/sudoers.d/rtnode", "broken\n");
    expect(await run(["install", "pi"])).toMatchObject({
      status: 1,
      stderr: "the rule for sudo is not valid: syntax error",
    });
    put(stage, "files/etc/sudoers.d/rtnode", "pi\n");
    put(root, "opt/rtnode/data", "");
    expect((await run(["install", "pi"])).stderr).toContain("/opt/rtnode is there already and is not empty");
  });
});

describe("removing", () => {
  it("leaves what was there before, whatever the nodes have left", async () => {
    writeFileSync(join(state, "group-gpio"), "");
    const before = snapshot();
    await run(["install", "pi"]);
    put(root, "opt/rtnode/releases/1/manifest.json", "{}");
    put(root, "run/systemd/system/rtnode@imu.service.d/50-node.conf", "");
    mkdirSync(join(root, "run/systemd/system"), { recursive: true });
    const { status, lines } = await run(["remove"]);
    expect(status).toBe(0);
    expect(lines).toEqual(expect.arrayContaining(["removed /opt/rtnode", "removed user rtnode"]));
    rmSync(join(root, "run/systemd"), { recursive: true });
    expect(snapshot()).toEqual(before);
    expect((await run(["remove"])).lines).toEqual([]);
    expect(snapshot()).toEqual(before);
  });

  it("keeps a folder in which somebody else has put something", async () => {
    await run(["install", "pi"]);
    put(root, "etc/sudoers.d/mine", "");
    await run(["remove"]);
    expect(readdirSync(join(root, "etc/sudoers.d"))).toEqual(["mine"]);
  });

  it("is refused where there is no list", async () => {
    put(root, "usr/lib/rtnode/rtnodectl", "");
    expect(await run(["remove"])).toMatchObject({ status: 1, stderr: expect.stringContaining("an image of rtkit") });
  });
});

it("a run that is killed at any moment is finished, or undone, by the next", async () => {
  const before = snapshot();
  await run(["install", "pi"]);
  const whole = snapshot();
  await run(["remove"]);
  let cuts = 0;
  for (const next of ["install", "remove"]) {
    for (let cut = 1; ; cut += 1) {
      const { status } = await run(["install", "pi"], cut);
      cuts += status === 0 ? 0 : 1;
      expect((await run(next === "install" ? ["install", "pi"] : ["remove"])).stderr).toBe("");
      if (next === "install") expect(snapshot()).toEqual(whole);
      await run(["remove"]);
      expect(snapshot()).toEqual(before);
      if (status === 0) break;
    }
  }
  expect(cuts).toBeGreaterThan(10);
});
