import { join } from "node:path";
import { formatPlace } from "../../src/ui/error-text.ts";
import { describe, expect, test } from "vitest";
import { mistakes, mistakesAt, scan, scanAt, temporaryFolder, writeFiles } from "./robot.ts";

describe("mistakes of a TypeScript node, all at once, each with its place", () => {
  test("imports that lead nowhere, and syntax errors", async () => {
    const files = {
      "src/main.ts":
        "import { a } from './absent.ts';\nconst é = 1; import b from 'no-such-package/sub';\nimport './broken.ts';\nconsole.log(a, b);\n",
      "src/broken.ts": "export const x = ;\n",
    };
    expect((await mistakes(files, "src/main.ts")).toSorted()).toEqual([
      "RTK_BUNDLE_IMPORT src/main.ts:1:19 cannot find the file ./absent.ts",
      "RTK_BUNDLE_IMPORT src/main.ts:2:28 cannot find the module no-such-package/sub",
      'RTK_BUNDLE_SYNTAX src/broken.ts:1:18 Unexpected ";"',
    ]);
  });

  test("hints: the command that installs, exit status 2", async () => {
    const dir = await temporaryFolder();
    await writeFiles(dir, { "main.ts": "import '@scope/pkg/deep';\nimport '#hw/motor';\nimport '@/motor';\n" });
    expect((await mistakesAt(dir, "main.ts")).map(({ hint, exitStatus }) => [hint, exitStatus])).toEqual([
      ["npm install @scope/pkg", 2],
      ['map it to a file below "imports" in package.json', 2],
      ['map it to a file below "paths" in tsconfig.json', 2],
    ]);
  });

  test("native addons, at the project's own import", async () => {
    const files = {
      "main.ts":
        "import os from 'node:os';\nimport { port } from './port.ts';\nimport direct from './own.node';\nconsole.log(os, port, direct);\n",
      "port.ts": "// import 'serial'\nimport { SerialPort } from 'serial';\nexport const port = SerialPort;\n",
      "own.node": "",
      "node_modules/serial/index.js": "exports.SerialPort = require('@serial/bindings').open;\n",
      "node_modules/@serial/bindings/index.js":
        "const binding = require('node-gyp-build')(__dirname);\nexports.open = binding.open;\n",
      "node_modules/node-gyp-build/index.js": "module.exports = () => ({});\n",
    };
    expect((await mistakes(files, "main.ts")).toSorted()).toEqual([
      "RTK_BUNDLE_NATIVE_ADDON main.ts:3:20 ./own.node needs a native addon, which cannot be part of a bundle",
      "RTK_BUNDLE_NATIVE_ADDON port.ts:2:28 the package @serial/bindings needs a native addon, which cannot be part of a bundle",
    ]);
  });

  test("a package that picks its addon at run time", async () => {
    const files = {
      "main.mjs": "import fast from 'fast';\nconsole.log(fast);\n",
      "node_modules/fast/index.js":
        "for (const file of ['./a.node']) { try { module.exports = require(file); } catch {} }\n",
      "node_modules/fast/package.json": '{"name":"fast","binary":{"napi_versions":[8]}}',
    };
    expect(await mistakes(files, "main.mjs")).toEqual([
      "RTK_BUNDLE_NATIVE_ADDON main.mjs:1:18 the package fast needs a native addon, which cannot be part of a bundle",
    ]);
  });

  test("worker threads from a file, and modules newer than the board's Node", async () => {
    const files = {
      "main.ts":
        "import { Worker } from 'node:worker_threads';\n// new Worker('./no.ts')\nnew Worker(new URL('./x.ts', import.meta.url));\nnew Worker('./y.js');\n",
      "x.ts": "",
    };
    expect(await mistakes(files, "main.ts")).toEqual([
      "RTK_BUNDLE_WORKER main.ts:3:1 a worker thread's file cannot be part of a bundle: new Worker(new URL('./x.ts'",
      "RTK_BUNDLE_WORKER main.ts:4:1 a worker thread's file cannot be part of a bundle: new Worker('./y.js'",
    ]);
    expect(
      await mistakes(
        {
          "main.ts":
            "import { DatabaseSync } from 'node:sqlite';\nimport gpio from 'node:gpio';\nconsole.log(DatabaseSync, gpio);\n",
        },
        "main.ts",
      ),
    ).toEqual([
      "RTK_BUNDLE_IMPORT main.ts:1:30 node:sqlite came with Node 22.5; the board has Node 20.19",
      "RTK_BUNDLE_IMPORT main.ts:2:18 Node has no module node:gpio",
    ]);
  });

  test("a module that the board's Node.js has, since the project names a newer one", async () => {
    const dir = await temporaryFolder();
    await writeFiles(dir, { "main.ts": "import { DatabaseSync } from 'node:sqlite';\nconsole.log(DatabaseSync);\n" });
    for (const nodejs of ["22.5.0", "22.23.3", "24.0.0"]) {
      expect((await scanAt(dir, "main.ts", {}, { nodejs })).scanned.imports).toEqual([]);
    }
    await expect(scanAt(dir, "main.ts", {}, { nodejs: "22.4.1" })).rejects.toMatchObject({
      code: "RTK_BUNDLE_IMPORT",
      message: "node:sqlite came with Node 22.5; the board has Node 22.4.1",
      hint: expect.stringContaining('image: { node: "24" }') as string,
    });
  });

  test("a kind of file that nobody can import", async () => {
    expect(
      await mistakes({ "main.ts": "import mesh from './arm.stl';\nconsole.log(mesh);\n", "arm.stl": "" }, "main.ts"),
    ).toEqual(["RTK_BUNDLE_IMPORT main.ts:1:18 this kind of file cannot be imported: arm.stl"]);
  });
});

test("warnings: data files beside the source, computed requires", async () => {
  const { dir, scanned } = await scan(
    {
      "package.json": '{"type":"module"}',
      "main.ts": [
        "import { readFileSync } from 'node:fs';",
        "import { join } from 'node:path';",
        "/* join(__dirname, 'comment') */",
        "readFileSync(new URL('./gains.json', import.meta.url));",
        "readFileSync(join(import.meta.dirname, 'a.txt'));",
        "await import(process.argv[2]!);",
      ].join("\n"),
    },
    "main.ts",
  );
  const main = join(dir, "main.ts");
  const texts = scanned.warnings.map(({ where, message }) => `${formatPlace(where)}: ${message}`);
  expect(texts.toSorted()).toEqual([
    `${main}:4:14: new URL('./gains.json', import.meta.url: files beside the source are not in the bundle; import JSON and text files instead`,
    `${main}:5:14: join(import.meta.dirname: files beside the source are not in the bundle; import JSON and text files instead`,
    expect.stringContaining(`${main}:6:7: `),
  ]);
});
