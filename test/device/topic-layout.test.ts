import * as fc from "fast-check";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { scratchDir } from "../scratch.ts";
import { compile, librarySource } from "./compile.ts";
import { layoutText, records, structText } from "./records.ts";
import { run } from "./support.ts";

/** What a program prints that is made of these lines. */
async function outputOf(declarations: readonly string[], statements: readonly string[]): Promise<string[]> {
  const file = join(scratchDir("rtnode-layout-"), "layouts.c");
  const includes = '#include <stdint.h>\n#include <stdio.h>\n#include "topic-layout.h"\n';
  writeFileSync(
    file,
    `${includes}${declarations.join("\n")}\nint main(void)\n{\n${statements.join("\n")}\nreturn 0;\n}\n`,
  );
  const sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
  const { stdout, status } = await run([await compile([file, librarySource("topic-layout.c")], sanitizers)]);
  expect(status).toBe(0);
  return stdout.trim().split("\n");
}

test("the size of a record is the one that a C compiler gives the struct", async () => {
  const samples = fc.sample(records, 300);
  const structs = samples.map((record, index) => `struct r${index} { ${structText(record)} };`);
  const prints = samples.map(
    (record, index) => `printf("%zu %zu\\n", sizeof(struct r${index}), layout_size("${layoutText(record)}"));`,
  );
  const sizes = (await outputOf(structs, prints)).map((line) => line.split(" "));
  expect(sizes).toHaveLength(samples.length);
  for (const [index, [compiler, ours]] of sizes.entries()) {
    expect(ours, `${layoutText(samples[index] ?? {})}, fast-check`).toBe(compiler);
  }
});

/** Separated by blanks; `_` stands for one. */
const WRONG = `, x x: :f64 x:f16 x:F64 x:_f64 x_:f64 x:f64, ,x:f64 x:f64,,y:f64 x:f64;y:f64 1x:f64 x-y:f64 ä:f64 x:f64[ x:f64[]
  x:f64[0] x:f64[03] x:f64[-1] x:f64[3]] x:f64[3][3] x:f64[3 x:f64[3_] x:f64[a] x:[3] x:f64[65537] x:f64[4294967297]
  x:f64[18446744073709551617] a:f64[65536],b:f64[65536],c:u8`;

test("what is no layout has no size", async () => {
  const wrong = ["", ...WRONG.split(/\s+/).map((text) => text.replaceAll("_", " "))];
  const right = ["_x1:u8", "x:u8[65536]", "a:f64[65536],b:f64[65536]"];
  const prints = [...wrong, ...right].map((text) => `printf("%zu\\n", layout_size("${text}"));`);
  expect(await outputOf([], prints)).toEqual([...wrong.map(() => "0"), "1", "65536", "1048576"]);
});
