import * as fc from "fast-check";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
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
type Word = readonly [word: string, value: string | null];
type Table = Record<string, fc.Arbitrary<string> | null>;

/** Words of a table, each with one of its values; those without values are flags. */
function allOf(table: Table): fc.Arbitrary<Word[]> {
  const words = Object.entries(table).map(([word, value]) =>
    fc.tuple(fc.constant(word), value === null ? fc.constant(null) : value),
  );
  return fc.tuple(...words);
}

/** Some of the words of a table. */
function someOf(table: Table): fc.Arbitrary<Word[]> {
  return allOf(table).chain((words) => fc.subarray(words));
}

/** A policy with what it needs. Runtimes are long enough for `true`, which ends soon. */
const schedule = fc.oneof(
  fc.constant([]),
  allOf({ policy: oneOf("other", "batch"), nice: oneOf("-20", "-5", "0", "19") }),
  allOf({ policy: oneOf("other", "batch", "idle") }),
  allOf({ policy: oneOf("fifo", "rr"), priority: oneOf("1", "10", "98") }),
  allOf({ policy: oneOf("deadline"), runtime: oneOf("1ms", "2ms"), deadline: oneOf("10ms"), period: oneOf("20ms") }),
);
const memory = fc.oneof(
  fc.constant([]),
  allOf({ "lock-memory": null }),
  allOf({ "lock-memory": null, stack: oneOf("0", "65536"), heap: oneOf("1", "1048576") }),
);
const others: Table = {
  cpus: oneOf("0", "0-0", "0,0"),
  rttime: oneOf("10s", "10000000000ns"),
  core: null,
  chdir: oneOf("/", join(dir, "a folder")),
  env: oneOf("A=b", "A=", "A==%s"),
};
const starter: Table = {
  startup: oneOf("10s", "20s"),
  library: oneOf(join(deviceDir, "librtnode.so")),
  "no-reset-on-fork": null,
  strict: null,
};
const author: Table = { arg: junk, restart: junk, groups: junk, after: junk, notify: null };

/** Words that contradict others, that mean nothing, or that no machine can give. */
const mistake: fc.Arbitrary<Word> = fc.oneof(
  fc.tuple(fc.oneof(oneOf(...Object.keys({ ...others, ...starter, ...author })), junk), fc.option(junk)),
  fc.constantFrom<Word[]>(
    ["policy", "fifo"],
    ["policy", "fast"],
    ["priority", "99"],
    ["nice", "20"],
    ["period", "1ms"],
    ["cpus", "0,1000"],
    ["cpus", "1023"],
    ["cpus", "1024"],
    ["cpus", "3-1"],
    ["stack", "9223372036854775807"],
    ["heap", "1"],
    ["rttime", "0s"],
    ["chdir", "/no/such"],
    ["env", "="],
    ["library", "/bin/sh"],
    ["library", "relative.so"],
    ["program", "/no/such"],
    ["require-rt-kernel", null],
    ["warn", null],
  ),
);

/** Options that go together, in any order, a third of them with something wrong. */
function options(more: Table): fc.Arbitrary<Word[]> {
  const wrong = fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.tuple(mistake) });
  return fc
    .tuple(schedule, memory, someOf({ ...others, ...more }), wrong)
    .chain((groups) => fc.shuffledSubarray(groups.flat(), { minLength: groups.flat().length }));
}

function spelled(word: string, value: string | null, joined: boolean): string[] {
  if (value === null) return [`--${word}`];
  return joined ? [`--${word}=${value}`] : [`--${word}`, value];
}

const commandLine = fc
  .tuple(options(starter), fc.boolean())
  .map(([words, joined]) => words.flatMap(([word, value]) => spelled(word, value, joined)));
const configFile = options(author).map((words) =>
  words.map(([word, value]) => (value === null ? word : `${word} ${value}`)).join("\n"),
);

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
    fc.asyncProperty(commandLine, async (words) => {
      expectSound(await launch(...words, "--", "true"));
    }),
    { numRuns: 200 },
  );
});

test("random config files", async () => {
  await fc.assert(
    fc.asyncProperty(configFile, async (text) => {
      writeFileSync(file, `program /bin/true\n${text}`);
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
  const elf = fc
    .tuple(
      fc.oneof(fc.nat({ max: 200 }).map(BigInt), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
      fc.nat({ max: 65_535 }),
      fc.uint8Array({ maxLength: 400 }),
    )
    .chain(([place, count, rest]) => {
      const header = readFileSync("/bin/true").subarray(0, 64);
      header.writeBigUInt64LE(place, 32); // e_phoff
      header.writeUInt16LE(count, 56); // e_phnum
      const whole = Buffer.concat([header, rest]);
      return fc.nat({ max: whole.length }).map((length) => whole.subarray(0, length));
    });
  const program = join(dir, "program");
  writeFileSync(program, "", { mode: 0o755 });
  const script = fc.tuple(oneOf("#!", "#! ", "#!/", `#!${program}`), junk).map((parts) => Buffer.from(parts.join("")));
  await fc.assert(
    fc.asyncProperty(fc.oneof(elf, script), async (content) => {
      writeFileSync(program, content);
      const outcome = await launch("--lock-memory", program);
      expectSound(outcome);
      expect(outcome.status).toBe(125);
    }),
    { numRuns: 200 },
  );
});
