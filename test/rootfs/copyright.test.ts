import { describe, expect, test } from "vitest";
import { parseCopyright } from "../../src/rootfs/copyright.ts";

const FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/";
const files = (licence: string): string => `Files: *\nCopyright: 2025 somebody\nLicense: ${licence}\n text of it`;

describe("debian/copyright", () => {
  test("names the licences of its files, each once", () => {
    const text = [FORMAT, files("GPL-2+"), files("Expat"), files("GPL-2+"), "License: GPL-2+\n the text"].join("\n\n");
    expect(parseCopyright(text)).toEqual(["Expat", "GPL-2+"]);
  });

  test("may name one for the package as a whole", () => {
    expect(parseCopyright(`${FORMAT}\nLicense: ISC\n`)).toEqual(["ISC"]);
  });

  test.each([
    "LGPL-3+ or GPL-2+",
    "GPL-3+ with Bison-2.2 exception",
    "GPL-2+ or AFL-2.1, and Expat",
    "BSD-3-clause~Sun",
  ])("%s is a name", (name) => expect(parseCopyright([FORMAT, files(name)].join("\n\n"))).toEqual([name]));

  test("with a licence's text where its name should stand, says nothing", () => {
    const text = [FORMAT, files("ISC"), files("Permission to use, copy and modify this software")].join("\n\n");
    expect(parseCopyright(text)).toBeUndefined();
  });

  test.each(["This package was debianized by somebody.\n", `${FORMAT}\n`, ""])("in free text says nothing", (text) =>
    expect(parseCopyright(text)).toBeUndefined(),
  );
});
