import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { build, outcome, scan, scanAt, temporaryFolder, writeFiles, type Files, type Outcome } from "./robot.ts";

const MODULE = { "package.json": '{"type":"module"}' };

/** Runs the entry under this Node, and its bundle from an empty folder. */
async function both(files: Files, entry: string, args: string[] = []): Promise<[Outcome, Outcome]> {
  const { dir, scanned } = await scan(files, entry);
  const plain = await outcome(process.execPath, ["--no-warnings", join(dir, entry), ...args], dir);
  return [plain, await runBundle(scanned, args)];
}

async function runBundle(scanned: Parameters<typeof build>[0], args: string[] = []): Promise<Outcome> {
  const empty = await temporaryFolder();
  await cp(join((await build(scanned)).dir, "node.mjs"), join(empty, "node.mjs"));
  // The board starts it through a link.
  await writeFiles(empty, { current: { link: "." } });
  return outcome(process.execPath, ["--no-warnings", join(empty, "current", "node.mjs"), ...args], empty);
}

async function expectSame(files: Files, entry: string, args: string[] = []): Promise<void> {
  const [plain, bundled] = await both(files, entry, args);
  expect(plain.stderr).toBe("");
  expect(bundled).toEqual(plain);
  expect(plain.stdout).not.toBe("");
}

const dependencies: Files = {
  ...MODULE,
  "src/main.ts": [
    'import greet, { type Options } from "greet";',
    'import legacy from "legacy";',
    'import { clamp } from "./maths/clamp.ts";',
    'import limits from "./limits.json" with { type: "json" };',
    "const options: Options = { loud: true };",
    "const { later } = await import('./later.ts');",
    "console.log(greet(options), legacy.kind, legacy.list().includes('clock'), clamp(9, limits.max), await later(), process.argv.slice(2));",
  ].join("\n"),
  "src/maths/clamp.ts": "export function clamp(x: number, max: number): number { return Math.min(x, max); }\n",
  "src/limits.json": '{"max": 3}',
  "src/later.ts": "export const later = async (): Promise<string> => 'later';\n",
  "node_modules/greet/package.json":
    '{"name":"greet","type":"module","exports":{".":{"types":"./index.d.ts","import":"./index.js"}}}',
  "node_modules/greet/index.js":
    "import os from 'os';\nexport default ({ loud }) => loud && os.EOL === '\\n' ? 'HELLO' : 'hello';\n",
  "node_modules/greet/index.d.ts":
    "export interface Options { loud: boolean }\nexport default function (options: Options): string;\n",
  "node_modules/legacy/package.json": '{"name":"legacy","main":"lib/index"}',
  "node_modules/legacy/lib/index.js":
    "/*! Copyright legacy */\nconst fs = require('fs');\nexports.kind = typeof __dirname + typeof __filename;\nexports.list = () => ['clock'].filter(() => fs.existsSync(__filename) && fs.existsSync(__dirname));\nif (require.main === module) process.exit(9);\n",
};

describe("a bundle does what the program does", () => {
  test("files, JSON, ESM and CommonJS packages, top-level await, a literal dynamic import", () =>
    expectSame(dependencies, "src/main.ts", ["--fast", "a b"]));

  test("an entry in CommonJS with a main guard, requiring one that has another", () =>
    expectSame(
      {
        "main.js":
          "const { x } = require('./x');\nif (require.main === module) { console.log('main', x, typeof __dirname); process.exitCode = 3; }\n",
        "x.js": "exports.x = 5;\nif (module === require.main || !module.parent) console.log('never');\n",
      },
      "main.js",
    ));

  test("the ESM main guard, though the board's path is a link", () =>
    expectSame(
      {
        ...MODULE,
        "main.ts":
          "import { fileURLToPath, pathToFileURL } from 'node:url';\nif (import.meta.url === pathToFileURL(process.argv[1]!).href && fileURLToPath(import.meta.url) === process.argv[1]) console.log('main');\n",
      },
      "main.ts",
    ));

  test("main guards of modules that it imports, its own and a package's: only the program's is true", () =>
    expectSame(
      {
        ...MODULE,
        "main.ts": [
          "import { x } from './imu.ts';",
          "import tool from 'tool';",
          "if (import.meta.main) console.log('main', x, tool, import.meta.main === true);",
        ].join("\n"),
        "imu.ts": [
          "import { fileURLToPath, pathToFileURL } from 'node:url';",
          "export const x = 5;",
          "const here = fileURLToPath(import.meta.url);",
          "if (import.meta.url === pathToFileURL(process.argv[1]!).href) console.log('never');",
          "if (process.argv[1] === here) console.log('never');",
          "if (import.meta.main) console.log('never');",
          "for (const module of [{ parent: undefined }]) if (!module.parent) console.log('a root');",
        ].join("\n"),
        "node_modules/tool/package.json": '{"name":"tool","type":"module"}',
        "node_modules/tool/index.js":
          "export default 'tool';\nif (process.argv[1] === import.meta.filename || import.meta.main) process.exit(9);\n",
      },
      "main.ts",
    ));

  test("require made with createRequire, and own __dirname", () =>
    expectSame(
      {
        ...MODULE,
        "main.mjs": [
          "import { createRequire } from 'node:module';",
          "import { dirname } from 'node:path';",
          "import { fileURLToPath } from 'node:url';",
          "const require = createRequire(import.meta.url);",
          "const __dirname = dirname(fileURLToPath(import.meta.url));",
          "const { version } = require('./package.json');",
          "console.log(require('old').name, version, typeof __dirname, require('node:os').EOL.length);",
        ].join("\n"),
        "package.json": '{"type":"module","version":"1.2.3"}',
        "node_modules/old/package.json": '{"name":"old"}',
        "node_modules/old/index.js": "exports.name = 'old';\n",
      },
      "main.mjs",
    ));

  test("an optional dependency that is not installed", () =>
    expectSame(
      {
        "main.js": "let x; try { x = require('not-installed'); } catch (error) { x = error.code; }\nconsole.log(x);\n",
      },
      "main.js",
    ));

  test("an optional native addon is done without, caught by the package or by who uses it", async () => {
    const addon = new Uint8Array([127, 69, 76, 70]);
    await expectSame(
      {
        "main.js":
          "let direct; try { direct = require('features')(); } catch { direct = 'none'; }\nconsole.log(direct, require('fallback').how);\n",
        "node_modules/features/index.js":
          "const binding = require('./build/features.node');\nmodule.exports = () => binding;\n",
        "node_modules/features/build/features.node": addon,
        "node_modules/fallback/index.js":
          "try { exports.how = require('node-gyp-build')(__dirname); } catch { exports.how = 'slow'; }\n",
        "node_modules/node-gyp-build/index.js": "module.exports = () => { throw new Error('no prebuild'); };\n",
      },
      "main.js",
    );
  });

  test("exit status and order of output", async () => {
    const [plain, bundled] = await both(
      {
        ...MODULE,
        "main.ts": "process.on('exit', (c) => console.log('bye', c));\nconsole.log(1);\nprocess.exit(7);\n",
      },
      "main.ts",
    );
    expect(plain).toEqual({ stdout: "1\nbye 7\n", stderr: "", status: 7 });
    expect(bundled).toEqual(plain);
  });

  test("tsconfig paths, enums and text files, which only a bundler knows", async () => {
    const { scanned } = await scan(
      {
        ...MODULE,
        "tsconfig.json": '{"compilerOptions":{"paths":{"@lib/*":["./lib/*"]}}} // comments are allowed',
        "main.ts":
          "import { Mode } from '@lib/mode';\nimport text from './note.txt';\nconsole.log(Mode[Mode.On], text);\n",
        "lib/mode.ts": "export enum Mode { Off, On }\n",
        "note.txt": "a note",
      },
      "main.ts",
    );
    expect(await runBundle(scanned)).toEqual({ stdout: "On a note\n", stderr: "", status: 0 });
  });

  test("the SDK is in the bundle; a package of the project of that name goes first", async () => {
    const main = { ...MODULE, "main.ts": "import { tick } from 'rtnode';\nconsole.log(tick);\n" };
    const { scanned } = await scan(main, "main.ts");
    expect((await runBundle(scanned)).stdout).toBe("sdk tick\n");
    expect(scanned.sdk).toBe(true);
    expect((await scan({ "main.ts": "console.log(1);\n" }, "main.ts")).scanned.sdk).toBe(false);
    await expectSame(
      {
        ...main,
        "node_modules/rtnode/package.json": '{"type":"module","main":"i.js"}',
        "node_modules/rtnode/i.js": "export const tick = 'own';\n",
      },
      "main.ts",
    );
  });
});

describe("the output", () => {
  test("the same bytes twice, from a copy elsewhere and through a link", async () => {
    const first = await scan(dependencies, "src/main.ts");
    const elsewhere = await temporaryFolder();
    await cp(first.dir, join(elsewhere, "deeper", "copy"), { recursive: true });
    await writeFiles(elsewhere, { link: { link: "deeper/copy" } });
    const robots = [
      first,
      await scanAt(join(elsewhere, "deeper", "copy"), "src/main.ts"),
      await scanAt(join(elsewhere, "link"), "src/main.ts"),
    ];
    const outputs = await Promise.all([...robots, first].map(({ scanned }) => build(scanned)));
    expect(new Set(outputs.map(({ digest }) => digest)).size).toBe(1);
    expect(robots[1]?.scanned.step.inputs).toEqual(first.scanned.step.inputs);
  });

  test("the same bytes where the project's tsconfig.json finds the SDK for the editor, and where it does not", async () => {
    const files = {
      "main.ts": "import { tick } from 'rtnode';\nconsole.log(tick);\n",
      "tsconfig.json": '{"compilerOptions":{"paths":{"rtnode":["../rtkit/typescript/index.ts"]}}}',
    };
    const away = await scan(files, "main.ts");
    const home = await temporaryFolder();
    await cp(away.dir, join(home, "robot"), { recursive: true });
    const beside = await scanAt(join(home, "robot"), "main.ts", {}, { sdkDir: join(home, "rtkit") });
    expect((await build(beside.scanned)).digest).toBe((await build(away.scanned)).digest);
    expect((await runBundle(beside.scanned)).stdout).toBe("sdk tick\n");
  });

  test("a map for the host, with sources relative to the project; no path of the host; licences stay", async () => {
    const withSdk = `import { tick } from "rtnode";\nconsole.log(tick);\n${String(dependencies["src/main.ts"])}`;
    const { dir, scanned } = await scan({ ...dependencies, "src/main.ts": withSdk }, "src/main.ts");
    const output = await build(scanned);
    expect(Object.keys(output.files)).toEqual(["dependencies.json", "node.mjs", "node.mjs.map"]);
    const code = await readFile(join(output.dir, "node.mjs"), "utf8");
    const mapText = await readFile(join(output.dir, "node.mjs.map"), "utf8");
    const map = JSON.parse(mapText) as { sources: string[]; sourcesContent: string[] };
    expect(code + mapText).not.toContain(dir);
    expect(code).not.toContain("sourceMappingURL");
    expect(code).toContain("Copyright legacy");
    expect(map.sources.toSorted()).toEqual([
      "node_modules/greet/index.js",
      "node_modules/legacy/lib/index.js",
      "rtnode:clock.ts",
      "src/later.ts",
      "src/limits.json",
      "src/main.ts",
      "src/maths/clamp.ts",
    ]);
    expect(map.sourcesContent).toHaveLength(map.sources.length);
  });
});
