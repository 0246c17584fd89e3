import * as fc from "fast-check";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { compileWith } from "../device/compile.ts";
import { countOf, layoutText, records, structText, typeOf } from "../device/records.ts";
import type { RecordText, Type } from "../device/records.ts";
import { buildDevicePrograms } from "../device/support.ts";
import { scratchDir } from "../scratch.ts";
import { bundle, start, startPython, startTypeScript } from "./support.ts";
import type { Started } from "./support.ts";

beforeAll(buildDevicePrograms);

/** A record with its topic's name, and the numbers of each member. */
interface Sample {
  readonly topic: string;
  readonly record: RecordText;
  readonly values: readonly (readonly number[])[];
}

const limits: Record<Type, readonly number[]> = {
  i8: [-128, 127],
  u8: [0, 255],
  i16: [-32_768, 32_767],
  u16: [0, 65_535],
  i32: [-2_147_483_648, 2_147_483_647],
  u32: [0, 4_294_967_295],
  f32: [-0, NaN, Infinity, -Infinity, 2 ** -149, 3.4028234663852886e38],
  f64: [-0, NaN, Infinity, -Infinity, Number.MIN_VALUE, Number.MAX_VALUE],
};

/** Numbers that the type can hold, its extremes among them. */
function numbers(type: Type): fc.Arbitrary<number> {
  const [min = 0, max = 0] = limits[type];
  const plain = type === "f64" ? fc.double() : type === "f32" ? fc.float() : fc.integer({ min, max });
  return fc.oneof(plain, fc.constantFrom(...limits[type]));
}

const samples: readonly Sample[] = fc
  .sample(
    records.chain((record) =>
      fc
        .tuple(
          ...Object.values(record).map((kind) =>
            fc.array(numbers(typeOf(kind)), { minLength: countOf(kind), maxLength: countOf(kind) }),
          ),
        )
        .map((values) => ({ record, values })),
    ),
    20,
  )
  .map((sample, index) => ({ topic: `t${index}`, ...sample }));

/** Numbers as text that C, Python and JavaScript read alike: JSON has no NaN, no infinity, and loses no sign of zero. */
const text = (value: number): string => (Object.is(value, -0) ? "-0.0" : String(value).toLowerCase());
const number = (word: string): number => Number(word.replace("nan", "NaN").replace("inf", "Infinity"));

/** Starts a program that publishes or receives all samples. */
type Exchange = (role: "publish" | "receive", env: Readonly<Record<string, string>>) => Started;

async function programs(): Promise<Readonly<Record<string, Exchange>>> {
  const folder = join(rtkitRoot, "test", "sdk", "programs");
  const typescript = await bundle(join(folder, "exchange.ts"));
  const native = await nativeProgram();
  return {
    Python: (role, env) => startPython(join(folder, "exchange.py"), { ROLE: role, ...env }),
    TypeScript: (role, env) => startTypeScript(typescript, { ROLE: role, ...env }),
    C: (role, env) => start([native, role], env),
  };
}

/** One struct and one block of statements for each sample. */
async function nativeProgram(): Promise<string> {
  const blocks = samples.map(({ topic, record }) => {
    const members = Object.entries(record).flatMap(([name, kind]) =>
      typeof kind === "string"
        ? [{ place: name, type: kind }]
        : Array.from({ length: kind[1] }, (_, i) => ({ place: `${name}[${i}]`, type: kind[0] })),
    );
    const take = members.map(
      ({ place, type }) =>
        `r.${place} = (__typeof__(r.${place}))${type.startsWith("f") ? "real()" : "(int64_t)real()"};`,
    );
    const print = members.map(({ place }) => `printf("%.17g ", (double)r.${place});`);
    return `{ struct { ${structText(record)} } r;
      open_topic("${topic}", "${layoutText(record)}", sizeof r);
      if (publishes) { ${take.join(" ")} (void)rtnode_publish(topic, &r); }
      else { if (rtnode_receive(topic, &r, NULL) < 0) return 3; ${print.join(" ")} puts(""); }
      rtnode_topic_close(topic); }`;
  });
  const file = join(scratchDir("rtnode-native-"), "native.c");
  writeFileSync(
    file,
    `#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rtnode.h"
static struct rtnode_topic *topic;
static bool publishes;
static const char *rest;
static double real(void) { char *end; double value = strtod(rest, &end); rest = end; return value; }
static void open_topic(const char *name, const char *layout, size_t size)
{
    if (rtnode_topic_open(&topic, name, layout, size, publishes ? RTNODE_PUBLISHER : RTNODE_SUBSCRIBER)) exit(2);
}
int main(int count, char **words)
{
    publishes = count > 1 && !strcmp(words[1], "publish");
    rest = getenv("NUMBERS");
    ${blocks.join("\n")}
    return 0;
}
`,
  );
  return compileWith("librtnode.so", [file]);
}

test("every type, alone and in arrays, with its extremes, is the same for Python, TypeScript and C", async () => {
  const exchanges = await programs();
  const expected = samples.map(({ values }) => values.flat());
  const withTexts = samples.map((sample, index) => ({
    ...sample,
    values: undefined,
    texts: expected[index]?.map(text),
  }));
  for (const [publisher, publish] of Object.entries(exchanges)) {
    const env = {
      RTNODE_RUNTIME_DIR: scratchDir("rtnode-topics-"),
      SAMPLES: JSON.stringify(withTexts),
      NUMBERS: expected.flat().map(text).join(" "),
    };
    expect(await publish("publish", env).ended).toMatchObject({ exitCode: 0, stderr: "" });
    for (const [subscriber, receive] of Object.entries(exchanges)) {
      const { stdout } = await receive("receive", env).ended;
      const received = stdout.split("\n").map((line) => line.trim().split(" ").map(number));
      expect(received, `${publisher} to ${subscriber}`).toEqual(expected);
    }
  }
});
