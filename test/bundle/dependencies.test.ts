import { describe, expect, test } from "vitest";
import { readDependencies } from "../../src/bundle/dependencies.ts";
import { elf } from "./elf-file.ts";
import { build, scan, type Files } from "./robot.ts";

/** What the bundle of an entry holds: `kind name@version (licence) > what it needs`, and what the project needs. */
async function contents(files: Files, entry: string): Promise<{ packages: string[]; direct: string[] } | null> {
  const { scanned } = await scan(files, entry);
  const dependencies = await readDependencies(await build(scanned));
  if (dependencies === null) return null;
  const { packages, direct } = dependencies;
  const label = (index: number): string => `${packages[index]?.name}@${packages[index]?.version}`;
  return {
    packages: packages.map(
      ({ kind, licence, requires }, index) =>
        `${kind} ${label(index)} (${licence})${requires.map((other) => ` > ${label(other)}`).join("")}`,
    ),
    direct: direct.map((index) => label(index)),
  };
}

const npm = (folder: string, fields: object, source: string): Files => ({
  [`node_modules/${folder}/package.json`]: JSON.stringify({ type: "module", exports: "./index.js", ...fields }),
  [`node_modules/${folder}/index.js`]: source,
});

describe("a TypeScript bundle", () => {
  const files: Files = {
    "package.json": '{"type":"module"}',
    "main.ts":
      'import { go } from "@robot/arm";\nimport { tick } from "rtnode";\nimport { pass } from "barrel";\nimport { unused } from "unused";\nconsole.log(go(), tick, pass);\n',
    ...npm(
      "@robot/arm",
      { name: "@robot/arm", version: "2.0.0", license: "MIT" },
      'import { x } from "deep";\nexport const go = () => x;\n',
    ),
    ...npm(
      "@robot/arm/node_modules/deep",
      { name: "deep", version: "1.0.0-rc.1", license: "(MIT OR Apache-2.0)" },
      "export const x = Math.random();\n",
    ),
    // Another version of the same package, which the first does not see.
    ...npm("deep", { name: "deep", version: "3.0.0" }, "export const x = Math.random() + 1;\n"),
    ...npm("barrel", { name: "barrel", version: "1.0.0" }, 'export { x as pass } from "deep";\n'),
    ...npm("unused", { name: "unused", version: "1.0.0", sideEffects: false }, "export const unused = 1;\n"),
  };

  test("holds the packages of which something is left in it, with their versions and who needs them", async () => {
    expect(await contents(files, "main.ts")).toEqual({
      packages: [
        "npm @robot/arm@2.0.0 (MIT) > deep@1.0.0-rc.1",
        "npm deep@1.0.0-rc.1 ((MIT OR Apache-2.0))",
        "npm deep@3.0.0 (null)",
        "sdk rtnode@null (null)",
      ],
      direct: ["@robot/arm@2.0.0", "deep@3.0.0", "rtnode@null"],
    });
  });

  test("tells a package under an alias by its own name, and leaves out a version that it does not give", async () => {
    const aliased = {
      "package.json": '{"type":"module"}',
      "main.ts": 'import { x } from "short";\nimport { y } from "bare";\nconsole.log(x, y);\n',
      ...npm("short", { name: "long", version: "1.0.0" }, "export const x = Math.random();\n"),
      ...npm("bare", {}, "export const y = Math.random();\n"),
    };
    expect((await contents(aliased, "main.ts"))?.packages).toEqual(["npm bare@null (null)", "npm long@1.0.0 (null)"]);
  });

  test("is made again when only a version changed", async () => {
    const { scanned } = await scan(files, "main.ts");
    const newer = npm("deep", { name: "deep", version: "3.0.1" }, "export const x = Math.random() + 1;\n");
    const { scanned: after } = await scan({ ...files, ...newer }, "main.ts");
    expect(after.step.inputs).not.toEqual(scanned.step.inputs);
  });
});

/** An installed distribution of the vendor folder. */
const distribution = (name: string, version: string, modules: readonly string[], metadata: string): Files => ({
  [`vendor/${name}-${version}.dist-info/METADATA`]: `Metadata-Version: 2.4\nName: ${name}\nVersion: ${version}\n${metadata}\n`,
  [`vendor/${name}-${version}.dist-info/RECORD`]: modules.map((module) => `${module}/__init__.py,,\n`).join(""),
});

describe("a Python bundle", () => {
  test("holds the distributions that its modules come from, and vendored modules that belong to none", async () => {
    const files: Files = {
      "main.py": "import yaml, filters, rtnode\n",
      "vendor/yaml/__init__.py": "import _helper\n",
      "vendor/_helper/__init__.py": "",
      "vendor/filters.py": "",
      "vendor/other/__init__.py": "",
      ...distribution(
        "PyYAML",
        "6.0.2",
        ["yaml"],
        "License: MIT\nRequires-Dist: the.helper>=1\nRequires-Dist: other; extra == 'x'",
      ),
      ...distribution("The_Helper", "1.5", ["_helper"], "License-Expression: ISC"),
      ...distribution("other", "1", ["other"], ""),
    };
    expect(await contents(files, "main.py")).toEqual({
      packages: [
        "pypi PyYAML@6.0.2 (MIT) > The_Helper@1.5",
        "pypi The_Helper@1.5 (ISC)",
        "sdk rtnode@null (null)",
        "vendored filters@null (null)",
      ],
      direct: ["PyYAML@6.0.2", "The_Helper@1.5", "rtnode@null", "filters@null"],
    });
  });

  test("takes name and version from the folder where there is no METADATA, and no licence that is a whole text", async () => {
    const files: Files = {
      "main.py": "import a, b\n",
      "vendor/a.py": "",
      "vendor/b.py": "",
      "vendor/a_dist-1.2.dist-info/RECORD": "a.py,,\n",
      ...distribution("b", "2", [], "License: MIT License\n        Permission is granted"),
      "vendor/b-2.dist-info/top_level.txt": "b\n",
    };
    expect((await contents(files, "main.py"))?.packages).toEqual(["pypi a_dist@1.2 (null)", "pypi b@2 (null)"]);
  });
});

test("of an executable nothing is known", async () => {
  const executable = elf({ type: 2, machine: 183, interpreter: null });
  expect(await contents({ "arm.bin": executable }, "arm.bin")).toBeNull();
});
