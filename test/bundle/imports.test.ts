import { describe, expect, test } from "vitest";
import { checkImports } from "../../src/bundle/imports.ts";
import { nodeOf } from "./robot.ts";

function check(
  module: string,
  available: string[],
  more: { required?: boolean; neededBy?: string; insteadOf?: string[][] } = {},
): (string | undefined)[] {
  const where = { file: "/robot/main.py", line: 3, column: 1 };
  const { insteadOf = [], neededBy = null, required = false } = more;
  const imports = [{ module, where, insteadOf, neededBy, required }];
  const node = nodeOf("/robot", "main.py");
  const scanned = {
    node,
    sdk: true,
    imports,
    warnings: [],
    step: { name: "bundle-node", title: "", inputs: null, run: async () => undefined },
  };
  return checkImports([scanned, scanned], new Set(available)).flatMap(({ code, message, hint }) => [
    code,
    message,
    hint,
  ]);
}

describe("checkImports", () => {
  test("what the image has is no error", () => expect(check("json", ["json", "sys"])).toEqual([]));

  test.each([
    ["numpy", "add python3-numpy to image.packages, or vendor it"],
    ["cv2", "add python3-opencv to image.packages, or vendor it"],
    ["PIL", "add python3-pil to image.packages, or vendor it"],
    ["typing_extensions", "add python3-typing-extensions to image.packages, or vendor it"],
    ["telnetlib", "Python 3.13 removed it from the standard library: use its successor, or vendor a copy"],
    ["distutils", "Python 3.12 removed it from the standard library: use its successor, or vendor a copy"],
  ])("%s: one error for all nodes that share the import", (module, hint) =>
    expect(check(module, ["json"])).toEqual([
      "RTK_BUNDLE_MODULE",
      `there is no Python module ${module} in the project or in the image`,
      hint,
    ]),
  );

  test("a fallback is needed where the image has none of what is tried first", () => {
    const insteadOf = [["cv2", "numpy"], ["PIL"]];
    expect(check("mock", ["cv2", "numpy"], { insteadOf })).toEqual([]);
    expect(check("mock", ["PIL"], { insteadOf })).toEqual([]);
    expect(check("mock", ["mock"], { insteadOf })).toEqual([]);
    expect(check("mock", ["numpy"], { insteadOf })).toEqual([
      "RTK_BUNDLE_MODULE",
      "there is no Python module mock in the project or in the image, nor cv2, PIL, which it stands in for",
      "add python3-mock to image.packages, or vendor it",
    ]);
    expect(check("RPi", [], { insteadOf: [["RPi"]] }).at(1)).toBe(
      "there is no Python module RPi in the project or in the image",
    );
  });

  test("a likely name", () =>
    expect(check("asynico", ["asyncio", "_asyncio"]).at(2)).toBe(
      "did you mean asyncio? Else add python3-asynico to image.packages, or vendor it",
    ));

  test("a module that requirements.txt asks for, and who needs it", () =>
    expect(check("yaml", [], { required: true, neededBy: "dep.config" })).toEqual([
      "RTK_BUNDLE_MODULE",
      "there is no Python module yaml in the project or in the image (imported by the vendored dep.config)",
      "run pip install --target vendor -r requirements.txt, or add python3-yaml to image.packages",
    ]));
});
