import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseYaml } from "../../src/config/document.ts";

function parse(text: string | Uint8Array): ReturnType<typeof parseYaml> {
  return parseYaml(typeof text === "string" ? new TextEncoder().encode(text) : text, "rtkit.yaml");
}

function firstMessage(text: string | Uint8Array): string | undefined {
  const parsed = parse(text);
  return parsed.document === undefined ? parsed.errors[0]?.message : undefined;
}

describe("places", () => {
  const { document } = parse("a:\n  b: [1, 22]\nc: &x { d: 1 }\ne: *x\nf:\n");

  it.each([
    [["a"], "key", 1, 1],
    [["a", "b"], "key", 2, 3],
    [["a", "b"], "value", 2, 6],
    [["a", "b", 1], "value", 2, 10],
    [["c", "d"], "value", 3, 12],
    [["e", "d"], "value", 3, 12],
    [["f"], "value", 5, 1],
    [["a", "missing"], "value", 1, 1],
    [["a", "b", 9], "value", 2, 3],
    [["missing"], "value", 1, 1],
    [[], "value", 1, 1],
  ] as const)("of %j (%s) is %i:%i", (path, side, line, column) => {
    expect(document?.place(path, side)).toEqual({ file: "rtkit.yaml", line, column });
  });
});

describe("what no project file is", () => {
  it("a file larger than 1 MiB", () => {
    expect(firstMessage(`# ${"x".repeat(1024 ** 2)}`)).toBe("the file is larger than 1 MiB");
  });

  it("bytes that are not UTF-8", () => {
    expect(firstMessage(Uint8Array.of(0x61, 0x3a, 0xff))).toBe("the file is not UTF-8 text");
  });

  it.each(["[", "- ", "? "])("%j nested a hundred thousand times", (opening) => {
    expect(firstMessage(opening.repeat(100_000))).toBe("the file nests too deeply");
  });

  it("anchors that expand to billions of values", () => {
    const lists = [..."abcdefghi"].map((name, index, names) => {
      const items = Array.from({ length: 9 }, () => (index === 0 ? "lol" : `*${names[index - 1]}`));
      return `${name}: &${name} [${items.join(", ")}]`;
    });
    expect(firstMessage(lists.join("\n"))).toBe("anchors are expanded too often");
  });

  it("a tag of its own", () => {
    expect(firstMessage("name: !env ROBOT")).toBe("not valid YAML: Unresolved tag: !env");
  });
});

it("a byte order mark and Windows line ends change nothing", () => {
  const { document } = parse("\uFEFFname: arm\r\nboard: rpi4\r\n");
  expect(document?.data).toEqual({ name: "arm", board: "rpi4" });
  expect(document?.place(["board"])).toMatchObject({ line: 2, column: 8 });
});

it("any bytes give a document or errors with places inside the text", () => {
  const yamlish = fc
    .array(
      fc.constantFrom(
        "a",
        "b: ",
        "- ",
        "\n",
        "  ",
        "[",
        "]",
        "{",
        "}",
        "&x ",
        "*x",
        "'",
        '"',
        "|\n",
        "# ",
        "? ",
        "!t ",
      ),
      {
        maxLength: 40,
      },
    )
    .map((parts) => new TextEncoder().encode(parts.join("")));
  fc.assert(
    fc.property(fc.oneof(yamlish, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      const parsed = parse(bytes);
      if (parsed.document !== undefined) return;
      const lines = new TextDecoder().decode(bytes).split("\n");
      expect(parsed.errors.length).toBeGreaterThan(0);
      for (const { where } of parsed.errors) {
        expect(where?.line).toBeGreaterThanOrEqual(1);
        expect(where?.line).toBeLessThanOrEqual(lines.length);
        expect(where?.column).toBeGreaterThanOrEqual(1);
        expect(where?.column).toBeLessThanOrEqual((lines[(where?.line ?? 1) - 1]?.length ?? 0) + 1);
      }
    }),
  );
});
