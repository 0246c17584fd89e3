import * as fc from "fast-check";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { buildDevicePrograms, deviceDir, launchers } from "./support.ts";
import type { Outcome } from "./support.ts";
import { scratchDir } from "../scratch.ts";

/* Whatever the options and the file: no crash, no report of a sanitizer, and a refusal is one line. */

const launch = launchers["rt-launch.sanitized"];
const dir = scratchDir("options-");
mkdirSync(join(dir, "a folder"));
const file = join(dir, "node.conf");

beforeAll(buildDevicePrograms);

const oneOf = (...words: string[]): fc.Arbitrary<string> => fc.constantFrom(...words);
const junk = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }).map((text) => text.replace(/[\0\n]/g, "")),
  oneOf("", "-", "0", "1", "-1", "99999999999999999999", "9223372036854775807", "18446744073709551615", "1e3", "%s%n"),
);
// Long enough for `true` to end in; a deadline of which too little is runtime would hardly let it run.
const time = oneOf("1ms", "2ms", "10ms", "10000000ns");
const bytes = oneOf("0", "1", "65536", "1048576", "9223372036854775807");

/** The words that may stand in both places with values that mean something; those without values are flags. */
const both: Record<string, fc.Arbitrary<string> | null> = {
  policy: oneOf("other", "batch", "idle", "fifo", "rr", "deadline"),
  priority: oneOf("1", "10", "98", "99"),
  nice: oneOf("-20", "-5", "0", "19", "20"),
  runtime: time,
  deadline: time,
  period: time,
  cpus: oneOf("0", "0-1", "1,0", "0,1000", "1023", "1024", "3-1"),
  "lock-memory": null,
  stack: bytes,
  heap: bytes,
  rttime: oneOf("10s", "10000000000ns", "0s"),
  core: null,
  chdir: oneOf("/", join(dir, "a folder"), "/no/such"),
  env: oneOf("A=b", "A=", "=", "PATH="),
};
const onCommandLine: typeof both = {
  ...both,
  startup: oneOf("10s", "20s"),
  library: oneOf(join(deviceDir, "librtnode.so"), "/no/such.so", "relative.so", "/bin/sh", "/etc/passwd"),
  "no-reset-on-fork": null,
  "require-rt-kernel": null,
  strict: null,
  warn: null,
};
const inFile: typeof both = {
  ...both,
  program: oneOf("/bin/true", "true", "/etc/passwd", "/no/such"),
  arg: junk,
  restart: junk,
  groups: junk,
};

/** A word with its value, most often one that means something. */
function given(table: typeof both): fc.Arbitrary<readonly [word: string, value: string | null]> {
  const known = Object.entries(table).map(([word, value]) =>
    fc.tuple(fc.constant(word), value === null ? fc.constant(null) : value),
  );
  const wrong = fc.tuple(fc.oneof(oneOf(...Object.keys(table)), junk), fc.option(junk));
  return fc.oneof({ weight: 9, arbitrary: fc.oneof(...known) }, { weight: 1, arbitrary: wrong });
}

const commandLine = fc
  .array(fc.tuple(given(onCommandLine), fc.boolean()), { maxLength: 7 })
  .map((all) => all.flatMap(([[word, value], joined]) => spelled(word, value, joined)));

function spelled(word: string, value: string | null, joined: boolean): string[] {
  if (value === null) return [`--${word}`];
  return joined ? [`--${word}=${value}`] : [`--${word}`, value];
}

const configFile = fc
  .array(given(inFile), { maxLength: 9 })
  .map((lines) => lines.map(([word, value]) => (value === null ? word : `${word} ${value}`)).join("\n"));

function expectSound({ status, signal, stdout, stderr }: Outcome): void {
  expect(signal).toBeUndefined();
  expect([0, 125, 126, 127]).toContain(status);
  expect(stdout).toBe("");
  const said = stderr === "" ? [] : stderr.replace(/\n$/, "").split("\n");
  const warnings = said.filter((line) => line.startsWith("rt-launch: warning: ")).length;
  for (const line of said) expect(line).toMatch(/^rt-launch: /);
  expect(said.length - warnings).toBe(status === 0 ? 0 : 1);
}

test("random command lines", async () => {
  await fc.assert(
    fc.asyncProperty(commandLine, async (options) => {
      expectSound(await launch(...options, "--", "true"));
    }),
    { numRuns: 200 },
  );
});

test("random config files", async () => {
  await fc.assert(
    fc.asyncProperty(configFile, fc.boolean(), async (text, program) => {
      writeFileSync(file, program ? `program /bin/true\n${text}` : text);
      expectSound(await launch("--config", file));
    }),
    { numRuns: 200 },
  );
});

test("random bytes for a config file", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), async (text) => {
      writeFileSync(file, text);
      expectSound(await launch("--config", file));
    }),
    { numRuns: 100 },
  );
});

test("random programs: shell scripts, parts of ELF files, anything", async () => {
  const elf = fc.tuple(fc.nat({ max: 70 }), fc.uint8Array({ maxLength: 400 })).map(([length, rest]) => {
    const header = Buffer.from("7f454c4602010100000000000000000003003e0001000000", "hex");
    return Buffer.concat([header.subarray(0, length), rest]);
  });
  const script = fc.tuple(oneOf("#!", "#! ", "#!/", `#!${file}`), junk).map((parts) => Buffer.from(parts.join("")));
  await fc.assert(
    fc.asyncProperty(fc.oneof(elf, script), async (content) => {
      writeFileSync(file, content, { mode: 0o755 });
      const outcome = await launch("--lock-memory", file);
      expectSound(outcome);
      expect(outcome.status).not.toBe(0);
    }),
    { numRuns: 200 },
  );
});
