import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { boardJsonSchema, projectJsonSchema } from "../../src/config/json-schema.ts";
import type { JsonSchema } from "../../src/config/json-schema.ts";
import { loadProject } from "../../src/config/load.ts";
import { DEVICE_GROUPS } from "../../src/config/project-schema.ts";
import { configurationReference, EXAMPLE } from "../../src/config/reference.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { kernelOptionsReference } from "../../src/kernel/reference.ts";
import { formatError, userErrors } from "../../src/ui/error-text.ts";
import { projectFolder } from "./fixtures.ts";

it.each([
  ["rtkit.schema.json", () => `${JSON.stringify(projectJsonSchema(), null, 2)}\n`],
  ["board.schema.json", () => `${JSON.stringify(boardJsonSchema(), null, 2)}\n`],
  ["configuration.md", configurationReference],
  ["kernel-options.md", kernelOptionsReference],
])("docs/%s is what `npm run generate` writes", async (file, generate) => {
  expect(await readFile(join(rtkitRoot, "docs", file), "utf8")).toBe(await generate());
});

it("a board grants the groups that the project file knows", async () => {
  const granted = await readFile(join(rtkitRoot, "overlays/rtnode/rootfs/usr/lib/rtnode/groups"), "utf8");
  expect(granted.split("\n").filter((line) => line !== "")).toEqual(DEVICE_GROUPS.toSorted());
});

function withoutDescription(schema: JsonSchema, path: string): string[] {
  const below = [
    ...(schema.anyOf ?? []),
    ...(schema.oneOf ?? []),
    ...(schema.items === undefined ? [] : [schema.items]),
  ];
  if (typeof schema.additionalProperties === "object") below.push(schema.additionalProperties);
  return [
    ...below.flatMap((member) => withoutDescription(member, path)),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, property]) => [
      ...(property.description === undefined ? [`${path}.${name}`] : []),
      ...withoutDescription(property, `${path}.${name}`),
    ]),
  ];
}

it("every key of the schemas has a description", () => {
  expect(withoutDescription(projectJsonSchema(), "project")).toEqual([]);
  expect(withoutDescription(boardJsonSchema(), "board")).toEqual([]);
});

it("the example of docs/configuration.md has nothing wrong but a key file that only its owner has", async () => {
  const folder = await projectFolder({ text: EXAMPLE });
  const failure: unknown = await loadProject({ cwd: folder, env: { HOME: folder } }).catch((error: unknown) => error);
  expect(userErrors(failure).map(formatError)).toEqual([
    expect.stringContaining('image.ssh.authorized_keys[0]: there is no key file "~/.ssh/id_ed25519.pub"'),
  ]);
});
