import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseKconfig, valueOf } from "../../src/kernel/kconfig.ts";

test("a real excerpt", () => {
  const config = parseKconfig(
    '#\n# Automatically generated file\n#\nCONFIG_PREEMPT_RT=y\n# CONFIG_HZ_1000 is not set\nCONFIG_EXT4_FS=m\nCONFIG_HZ=250\nCONFIG_CC_VERSION_TEXT="gcc \\"14\\" \\\\ x"\n',
  );
  expect(Object.fromEntries(config)).toEqual({
    PREEMPT_RT: "y",
    EXT4_FS: "m",
    HZ: "250",
    CC_VERSION_TEXT: 'gcc "14" \\ x',
  });
  expect(valueOf(config, "HZ_1000")).toBe("n");
});

const quoted = (text: string): string =>
  /^(y|m|\d+)$/.test(text) ? text : `"${text.replace(/[\n\r]/g, "").replace(/(["\\])/g, "\\$1")}"`;

test("what is written comes out, whatever stands between", () => {
  const name = fc.stringMatching(/^[A-Z0-9_]{1,20}$/);
  const value = fc.oneof(fc.constantFrom("y", "m"), fc.integer({ min: 0 }).map(String), fc.string());
  fc.assert(
    fc.property(fc.dictionary(name, value), fc.array(fc.stringMatching(/^[^C=\n]*$/)), (options, noise) => {
      const lines = Object.entries(options).map(([key, text]) => `CONFIG_${key}=${quoted(text)}`);
      const parsed = parseKconfig([...noise, ...lines, "# CONFIG_OFF__ is not set"].join("\n"));
      for (const [key, text] of Object.entries(options)) expect(valueOf(parsed, key)).toBe(text.replace(/[\n\r]/g, ""));
    }),
  );
});
