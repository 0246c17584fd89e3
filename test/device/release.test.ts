import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { beforeEach, describe, expect, test } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { scratchDir } from "../scratch.ts";

const program = join(rtkitRoot, "src", "device", "rtnodectl");
let root: string;

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** A release: its files by path, its list, its id. */
interface Release {
  readonly files: Readonly<Record<string, string>>;
  readonly sums: string;
  readonly id: string;
}

/** A release whose nodes are programs with this text. */
function release(nodes: Readonly<Record<string, string>>): Release {
  const files: Record<string, string> = { "manifest.json": `${JSON.stringify(Object.keys(nodes))}\n` };
  for (const [name, text] of Object.entries(nodes)) {
    files[`nodes/${name}.conf`] = "program /usr/bin/python3\n";
    files[`nodes/${name}.pyz`] = text;
  }
  return ofFiles(files);
}

function ofFiles(files: Readonly<Record<string, string>>): Release {
  const sums = Object.keys(files)
    .toSorted()
    .map((path) => `${sha256(files[path] ?? "")}  ${path}\n`)
    .join("");
  return { files, sums, id: sha256(sums) };
}

/** What is sent for a release to a board that has files with these digests. */
function stream({ files, sums }: Release, has: readonly string[] = []): string {
  const blobs = new Map(Object.values(files).map((text) => [sha256(text), text]));
  const sent = [...blobs].filter(([digest]) => !has.includes(digest));
  return `SUMS ${sums.length}\n${sums}${sent.map(([digest, text]) => `BLOB ${digest} ${text.length}\n${text}`).join("")}END\n`;
}

interface Outcome {
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

async function rtnodectl(words: readonly string[], input = ""): Promise<Outcome> {
  const { exitCode, stdout, stderr } = await execa("sh", [program, ...words], {
    env: { RTNODE_ROOT: root, PATH: `${join(root, "bin")}${delimiter}${process.env["PATH"] ?? ""}` },
    input,
    reject: false,
  });
  return { status: exitCode, stdout, stderr };
}

async function done(words: readonly string[], input = ""): Promise<string> {
  const outcome = await rtnodectl(words, input);
  expect(outcome).toMatchObject({ status: 0 });
  return outcome.stdout;
}

/** Sends a release in full. */
const send = (made: Release): Promise<string> => done(["receive", made.id], stream(made));

const opt = (path = ""): string => join(root, "opt/rtnode", path);
const linked = (name: string): string => readlinkSync(opt(name)).replace("releases/", "");

/** What systemd was asked to change since the last time. */
function calls(): string[] {
  const file = join(root, "calls");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  rmSync(file, { force: true });
  return text.split("\n").filter((line) => /^(systemctl (re)?start|systemd-run)/.test(line));
}

const FIRST = release({ imu: "imu 1", arm: "arm 1" });
const SECOND = release({ imu: "imu 2", arm: "arm 1" });

beforeEach(async () => {
  root = scratchDir("rtnode-release-");
  for (const dir of ["opt/rtnode/releases", "run", "bin", "usr/lib/rtnode"])
    mkdirSync(join(root, dir), { recursive: true });
  writeFileSync(join(root, "usr/lib/rtnode/groups"), "");
  for (const name of ["systemctl", "systemd-run"]) {
    writeFileSync(join(root, "bin", name), `#!/bin/sh\necho "${name} $*" >>'${root}/calls'\n`);
    chmodSync(join(root, "bin", name), 0o755);
  }
  await send(FIRST);
  symlinkSync(`releases/${FIRST.id}`, opt("current"));
});

describe("receive", () => {
  test("makes a folder of the files that came and of those that other releases have", async () => {
    const has = (await done(["blobs"])).split("\n");
    expect(has).toEqual([...new Set(Object.values(FIRST.files).map(sha256))].toSorted());
    const sent = stream(SECOND, has);
    expect(sent).not.toContain("arm 1");
    await done(["receive", SECOND.id], sent);
    for (const [path, text] of Object.entries(SECOND.files)) {
      expect(readFileSync(opt(`releases/${SECOND.id}/${path}`), "utf8")).toBe(text);
    }
    const [one, other] = [FIRST, SECOND].map(({ id }) => statSync(opt(`releases/${id}/nodes/arm.pyz`)).ino);
    expect(one).toBe(other);
    expect(linked("current")).toBe(FIRST.id);
    expect(calls()).toEqual([]);
  });

  test("makes executables executable, and nothing else", async () => {
    const made = ofFiles({ "manifest.json": "{}", "nodes/m.bin": "ELF", "nodes/m.conf": "program m\n" });
    await send(made);
    const mode = (path: string): string => (statSync(opt(`releases/${made.id}/${path}`)).mode & 0o777).toString(8);
    expect(["nodes/m.bin", "nodes/m.conf", "manifest.json"].map(mode)).toEqual(["755", "644", "644"]);
  });

  test("reads nothing of a release that is here", async () => {
    await done(["receive", FIRST.id], "nonsense");
  });

  const whole = stream(SECOND);
  test.each([
    ["ends in the middle of a file", whole.slice(0, -20), "ended in the middle"],
    ["ends before its end", whole.slice(0, -"END\n".length), "ended in the middle"],
    ["has other bytes than its digest says", whole.replace("imu 2", "imu 3"), "a file is not as the list says"],
    [
      "has another list than the id says",
      whole.replace("manifest.json", "manifest.JSON"),
      "the list of files is not that of",
    ],
    ["lacks a file that is not here", stream(SECOND, [sha256("imu 2")]), "was not sent, and no release here has it"],
    ["is something else", "GET / HTTP/1.1\r\n", "is no release"],
    ["says a size that is none", `SUMS -1\n${whole}`, "is no size"],
    ["calls a file by a path", "BLOB ../../etc/passwd 1\nxEND\n", "is no release: an id is"],
  ])("of a stream that %s leaves nothing", async (_, sent, reason) => {
    const { status, stderr } = await rtnodectl(["receive", SECOND.id], sent);
    expect(status).toBeGreaterThan(0);
    expect(stderr).toContain(reason);
    expect(readdirSync(opt("releases"))).toEqual([FIRST.id]);
  });

  test.each([
    "/etc/passwd",
    "../escape",
    "nodes/../../escape.conf",
    "nodes/Upper.conf",
    "nodes/a.sh",
    "nodes/a/b.conf",
    "rtnode@.service",
    "nodes/a b.conf",
  ])("refuses a list that names %s", async (path) => {
    const made = ofFiles({ "manifest.json": "{}", [path]: "x" });
    const { status, stderr } = await rtnodectl(["receive", made.id], stream(made));
    expect({ status, stderr }).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("does not belong into a release"),
    });
    expect(readdirSync(opt("releases"))).toEqual([FIRST.id]);
  });

  test("refuses ids that are none", async () => {
    for (const id of ["", "abc", "../../etc", `${FIRST.id}/..`, FIRST.id.toUpperCase()]) {
      expect((await rtnodectl(["receive", id], whole)).status).toBe(2);
    }
  });
});

describe("activate", () => {
  beforeEach(async () => {
    await send(SECOND);
    calls();
  });

  test("makes a release current, restarts the node that changed and no other, and leads back unless it is confirmed", async () => {
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    expect([linked("current"), linked("previous")]).toEqual([SECOND.id, FIRST.id]);
    expect(calls()).toEqual([
      expect.stringMatching(
        new RegExp(`^systemd-run .*--unit=rtnode-revert --on-active=30s .*rtnodectl revert ${SECOND.id}$`),
      ),
      "systemctl restart --no-block -- rtnode@imu.service",
      "systemctl start --no-block rtnode.target",
    ]);
  });

  test("a confirmed one stays, also when the timer or a boot comes later", async () => {
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    await done(["confirm", SECOND.id]);
    await done(["revert", SECOND.id]);
    await done(["apply", "--start"]);
    expect(linked("current")).toBe(SECOND.id);
    expect((await rtnodectl(["confirm", SECOND.id])).stderr).toContain("does not wait to be confirmed");
  });

  test("revert goes back to the previous release and its nodes", async () => {
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    calls();
    await done(["revert", SECOND.id]);
    expect([linked("current"), linked("previous")]).toEqual([FIRST.id, SECOND.id]);
    expect(calls()).toContain("systemctl restart --no-block -- rtnode@imu.service");
    expect((await rtnodectl(["confirm", SECOND.id])).status).toBe(1);
  });

  test("the next boot goes back, and starts nothing of the release that was not confirmed", async () => {
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    calls();
    const { stderr } = await rtnodectl(["apply", "--start"]);
    expect(stderr).toContain(`${SECOND.id} was not confirmed before the board went down`);
    expect(linked("current")).toBe(FIRST.id);
    expect(calls()).toEqual(["systemctl start --no-block rtnode.target"]);
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
  });

  test("a second one waits for the first to be confirmed, and is told whose it is", async () => {
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    const third = release({ imu: "imu 3" });
    await send(third);
    const { status, stderr } = await rtnodectl(["activate", third.id, "--confirm-within", "30"]);
    expect(status).toBe(1);
    expect(stderr).toMatch(new RegExp(`root \\(.* UTC\\) activated ${SECOND.id} and has not confirmed it yet`));
  });

  test.each([
    [["activate", FIRST.id, "--confirm-within", "30"], 1, "is active already"],
    [["activate", sha256("unknown"), "--confirm-within", "30"], 1, "is not here; send it first"],
    [["activate", SECOND.id, "--confirm-within", "0"], 2, "usage"],
    [["activate", SECOND.id, "--confirm-within", "1; reboot"], 2, "usage"],
    [["activate", SECOND.id], 2, "usage"],
  ])("%j is refused, and nothing changes", async (words, status, reason) => {
    expect(await rtnodectl(words)).toMatchObject({ status, stderr: expect.stringContaining(reason) });
    expect(linked("current")).toBe(FIRST.id);
    expect(calls()).toEqual([]);
  });

  test("without a timer to lead back nothing is activated", async () => {
    writeFileSync(join(root, "bin", "systemd-run"), "#!/bin/sh\nexit 1\n");
    const { status, stderr } = await rtnodectl(["activate", SECOND.id, "--confirm-within", "30"]);
    expect({ status, current: linked("current") }).toEqual({ status: 1, current: FIRST.id });
    expect(stderr).toContain("nothing would lead back");
    expect(existsSync(opt("pending"))).toBe(false);
  });

  test("killed at any moment, the board comes up with one of the two releases, whole", async () => {
    // Each program that rtnodectl starts while it activates ends it in turn, as a power cut would.
    const names = [
      "sed",
      "ln",
      "mv",
      "sync",
      "systemctl",
      "systemd-run",
      "rm",
      "readlink",
      "cmp",
      "mkdir",
      "flock",
      "date",
    ];
    for (const name of names) {
      for (let nth = 1; nth <= 4; nth += 1) {
        writeFileSync(join(root, "count"), "");
        const real = `PATH=/usr/sbin:/usr/bin:/sbin:/bin`;
        const script = `#!/bin/sh\necho x >>'${root}/count'\n[ $(wc -l <'${root}/count') -lt ${nth} ] || kill -9 $PPID\n${
          name.startsWith("systemd") || name === "systemctl" ? "exit 0" : `${real} exec ${name} "$@"`
        }\n`;
        const own = join(root, "bin", name);
        const before = existsSync(own) ? readFileSync(own) : undefined;
        writeFileSync(own, script);
        chmodSync(own, 0o755);
        await rtnodectl(["activate", SECOND.id, "--confirm-within", "30"]);
        if (before === undefined) rmSync(own);
        else writeFileSync(own, before);
        await rtnodectl(["apply", "--start"]);
        expect(linked("current"), `${name} ${nth}`).toBe(FIRST.id);
        expect(existsSync(opt("current/manifest.json"))).toBe(true);
        expect(existsSync(opt("pending")), `${name} ${nth}`).toBe(false);
      }
    }
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
  });
});

describe("rollback", () => {
  test("goes to the previous release, or to one by its id", async () => {
    expect((await rtnodectl(["rollback"])).stderr).toContain("there is no previous release");
    await send(SECOND);
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    await done(["confirm", SECOND.id]);
    await done(["rollback"]);
    expect([linked("current"), linked("previous")]).toEqual([FIRST.id, SECOND.id]);
    await done(["rollback", SECOND.id]);
    expect(linked("current")).toBe(SECOND.id);
    expect((await rtnodectl(["rollback", sha256("unknown")])).stderr).toContain("is not here");
  });

  test("of a release that is not confirmed reverts it", async () => {
    await send(SECOND);
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    await done(["rollback"]);
    expect(linked("current")).toBe(FIRST.id);
    expect(existsSync(opt("pending"))).toBe(false);
  });
});

test("old releases go when a new one is confirmed: the current, the previous and the three newest stay", async () => {
  const made = Array.from({ length: 7 }, (_, index) => release({ imu: `imu ${index}` }));
  for (const [index, each] of made.entries()) {
    await send(each);
    const time = new Date(1_700_000_000_000 + index * 60_000);
    utimesSync(opt(`releases/${each.id}`), time, time);
  }
  const last = made.at(-1)?.id ?? "";
  await done(["activate", last, "--confirm-within", "30"]);
  await done(["confirm", last]);
  const marks = (await done(["releases"])).split("\n").map((line) => line.split(" "));
  expect(new Set(marks.map(([id]) => id))).toEqual(new Set([FIRST.id, last, ...made.slice(3, 6).map(({ id }) => id)]));
  expect(marks.find(([id]) => id === FIRST.id)?.[1]).toBe("previous");
  expect(marks.find(([id]) => id === last)?.[1]).toBe("current");
});
