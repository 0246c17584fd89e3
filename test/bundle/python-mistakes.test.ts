import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatPlace } from "../../src/ui/error-text.ts";
import { describe, expect, test } from "vitest";
import { scanNode } from "../../src/bundle/scan.ts";
import { runStep } from "../../src/pipeline/cache.ts";
import {
  contextOf,
  hostTools,
  mistakes,
  mistakesAt,
  nodeOf,
  projectOf,
  scan,
  temporaryFolder,
  writeFiles,
  type Files,
} from "./robot.ts";

describe("mistakes of a Python node, all at once, each with its place", () => {
  test("syntax errors in every file of the graph, and imports that lead nowhere", async () => {
    const files = {
      "nodes/main.py":
        "import bad, lib.filtres\nfrom lib import nothing, filters\nfrom lib.sub import x\nimport filters.x\n",
      "nodes/filters.py": "",
      "bad.py": "def f(:\n  pass\n",
      "lib/__init__.py": "",
      "lib/filters.py": "x = 1\nprint 'hello'\n",
      "lib/sub/only.py": "",
    };
    expect(await mistakes(files, "nodes/main.py")).toEqual([
      expect.stringMatching(/^RTK_BUNDLE_SYNTAX bad\.py:1:7 Python 3\.\d+ rejects this: .*: def f\(:$/),
      expect.stringMatching(/^RTK_BUNDLE_SYNTAX lib\/filters\.py:2:1 Python 3\.\d+ rejects this: Missing parentheses/),
      "RTK_BUNDLE_IMPORT nodes/main.py:1:13 there is no module lib.filtres",
      "RTK_BUNDLE_IMPORT nodes/main.py:2:17 the package lib has no nothing: no module is called so, and its __init__ does not define it",
      "RTK_BUNDLE_IMPORT nodes/main.py:3:21 the folder lib/sub has no module x",
      "RTK_BUNDLE_IMPORT nodes/main.py:4:8 there is no module filters.x",
    ]);
  });

  test("what the compiler rejects after parsing", async () => {
    expect(await mistakes({ "main.py": "x = 1\nreturn x\n" }, "main.py")).toEqual([
      expect.stringMatching(
        /^RTK_BUNDLE_SYNTAX main\.py:2:1 Python 3\.\d+ rejects this: 'return' outside function: return x$/,
      ),
    ]);
    expect(await mistakes({ "main.py": "a = 'b\0'\n" }, "main.py")).toEqual([
      expect.stringContaining("RTK_BUNDLE_SYNTAX main.py:1:1"),
    ]);
    // Generated code may be one long line.
    const [long] = await mistakes({ "main.py": `x = ${"(".repeat(5000)}\n` }, "main.py");
    expect(long?.length).toBeLessThan(250);
  });

  test("relative imports outside a package, and out of one", async () => {
    expect(await mistakes({ "main.py": "from . import a\n", "a.py": "" }, "main.py")).toEqual([
      "RTK_BUNDLE_IMPORT main.py:1:1 a relative import in a program that is in no package",
    ]);
    const files = { "main.py": "import pkg.a\n", "pkg/__init__.py": "", "pkg/a.py": "if 1:\n    from ...x import y\n" };
    expect(await mistakes(files, "main.py")).toEqual([
      "RTK_BUNDLE_IMPORT pkg/a.py:2:5 this relative import leads out of the top-level package",
    ]);
  });

  test("places are named as the project's folder was, even if that is a link", async () => {
    const dir = await temporaryFolder();
    await writeFiles(dir, {
      "real/main.py": "import pkg.x\nopen('data.txt')\n",
      "real/data.txt": "",
      "real/pkg/__init__.py": "",
      link: { link: "real" },
    });
    const [error] = await mistakesAt(join(dir, "link"), "main.py");
    expect(error?.where).toEqual({ file: join(dir, "link", "main.py"), line: 1, column: 8 });
  });

  test("columns count characters, not bytes", async () => {
    expect(await mistakes({ "main.py": "é = 'ü'; import lib.x\n", "lib/__init__.py": "" }, "main.py")).toEqual([
      "RTK_BUNDLE_IMPORT main.py:1:17 there is no module lib.x",
    ]);
  });

  test("a likely name is suggested", async () => {
    const dir = await temporaryFolder();
    await writeFiles(dir, { "main.py": "import lib.filtres\n", "lib/__init__.py": "", "lib/filters.py": "" });
    expect((await mistakesAt(dir, "main.py")).map(({ hint, exitStatus }) => [hint, exitStatus])).toEqual([
      ["did you mean lib.filters?", 2],
    ]);
  });

  test("a source that is not UTF-8 and says no encoding", async () => {
    const latin1 = Buffer.from("name = 'caf\xe9'\n", "latin1");
    expect(await mistakes({ "main.py": latin1 }, "main.py")).toEqual([
      expect.stringMatching(/^RTK_BUNDLE_SYNTAX main\.py:1:\d+ .*(utf-?8)/i),
    ]);
    expect(
      await mistakes({ "main.py": Buffer.concat([Buffer.from("# coding: latin-1\n"), latin1]) }, "main.py"),
    ).toEqual([]);
  });

  test("compiled extension modules, local and vendored, at the project's import", async () => {
    const files = {
      "main.py": "import numpy\nfrom drivers import _imu\n",
      "drivers/__init__.py": "",
      "drivers/_imu.cpython-313-aarch64-linux-gnu.so": "",
      "vendor/numpy/__init__.py": "from . import core\n",
      "vendor/numpy/core/__init__.py":
        "try:\n    from . import _umath\nexcept ImportError as exc:\n    raise ImportError('broken') from exc\n",
      "vendor/numpy/core/_umath.cpython-311-x86_64-linux-gnu.so": "",
    };
    const dir = join(await temporaryFolder(), "robot");
    await writeFiles(dir, files);
    const errors = await mistakesAt(dir, "main.py");
    expect(errors.map(({ code, where, hint }) => [code, where?.line, where?.column, hint])).toEqual([
      ["RTK_BUNDLE_PYTHON_EXTENSION", 1, 8, "remove it and add python3-numpy to image.packages"],
      ["RTK_BUNDLE_PYTHON_EXTENSION", 2, 1, expect.stringContaining("with an overlay")],
    ]);
    expect(errors[0]?.message).toContain("numpy.core._umath");
  });

  test("links that leave the project, and an entry outside it", async () => {
    const dir = await temporaryFolder();
    await writeFiles(dir, {
      "secret.txt": "s",
      "outside.py": "",
      "robot/main.py": "import pkg\n",
      "robot/pkg/__init__.py": "",
      "robot/pkg/data.txt": { link: "../../secret.txt" },
    });
    const robot = join(dir, "robot");
    expect((await mistakesAt(robot, "main.py")).map(({ code, where }) => [code, where?.file])).toEqual([
      ["RTK_BUNDLE_LINK", join(robot, "pkg/data.txt")],
    ]);
    expect((await mistakesAt(robot, "../outside.py")).map(({ code }) => code)).toEqual(["RTK_BUNDLE_OUTSIDE"]);
  });

  test("an entry that cannot be read", async () => {
    expect(await mistakes({ "other.py": "" }, "main.py")).toEqual([
      "RTK_BUNDLE_READ main.py:1:1 cannot read the module: No such file or directory",
    ]);
  });

  test("a file that changes between scan and build fails the step", async () => {
    const { dir, scanned } = await scan({ "main.py": "print(1)\n" }, "main.py");
    await writeFile(join(dir, "main.py"), "print(2)\n");
    await expect(runStep(await contextOf(), scanned.step)).rejects.toMatchObject({
      code: "RTK_BUNDLE_CHANGED",
      where: { file: join(dir, "main.py") },
      exitStatus: 1,
    });
  });
});

/** `module` of what the image has to have, and `module | other` where it is a fallback for other imports. */
async function needed(files: Files): Promise<string[]> {
  const { scanned } = await scan(files, "main.py");
  return scanned.imports.map(({ module, insteadOf }) =>
    [module, ...insteadOf.map((group) => group.join("+"))].join(" | "),
  );
}

describe("what the image has to have", () => {
  test("modules that are neither local nor caught, with their first place", async () => {
    const { dir, scanned } = await scan(
      {
        "main.py":
          "import numpy as np, sys\nfrom yaml import safe_load\nimport lib.a\nimport vend\ntry:\n    import cv2\nexcept ImportError:\n    cv2 = None\n",
        "lib/__init__.py": "",
        "lib/a.py":
          "def late():\n    import scipy.signal\ntry:\n    import serial\nexcept ImportError:\n    print('no serial')\n    raise\n",
        "vendor/vend/__init__.py": "import urllib3\ndef f():\n    import brotli\n",
        "requirements.txt": "# drivers\nPyYAML>=6  # config\n-r more.txt\nurllib3[socks]==2.0\n",
      },
      "main.py",
    );
    const main = join(dir, "main.py");
    const lib = join(dir, "lib/a.py");
    expect(scanned.imports).toEqual([
      { module: "numpy", insteadOf: [], neededBy: null, required: false, where: { file: main, line: 1, column: 8 } },
      { module: "scipy", insteadOf: [], neededBy: null, required: false, where: { file: lib, line: 2, column: 12 } },
      { module: "serial", insteadOf: [], neededBy: null, required: false, where: { file: lib, line: 4, column: 12 } },
      { module: "urllib3", insteadOf: [], neededBy: "vend", required: true, where: { file: main, line: 4, column: 8 } },
      { module: "yaml", insteadOf: [], neededBy: null, required: true, where: { file: main, line: 2, column: 1 } },
    ]);
  });

  test("of a fallback, what is tried first, or the fallback and all that it imports", async () => {
    const main = [
      "try:\n    import tomllib\nexcept ModuleNotFoundError:\n    import tomli as tomllib",
      "try:\n    from RPi import GPIO\nexcept (ImportError, RuntimeError):\n    import fake_gpio as GPIO",
      "try:\n    import a1, a2\n    open('x')\nexcept Exception:\n    try:\n        import b\n    except ImportError:\n        import c",
      "def late():\n    try:\n        if input():\n            import d1\n        else:\n            import d2\n    except ImportError:\n        import e",
    ];
    expect(await needed({ "main.py": main.join("\n"), "fake_gpio.py": "import mock\n" })).toEqual([
      "c | a1+a2 | b",
      "e | d1 | d2",
      "mock | RPi",
      "tomli | tomllib",
    ]);
  });

  test("no fallback for what the project or the vendor folder has", async () => {
    const main = [
      "try:\n    from drivers import imu\nexcept ImportError:\n    import other_imu as imu",
      "try:\n    import yam.fast\nexcept ImportError:\n    import other_yam",
    ];
    const files = { "drivers/__init__.py": "", "drivers/imu.py": "", "vendor/yam/__init__.py": "" };
    expect(await needed({ ...files, "main.py": main.join("\n"), "vendor/yam/fast.py": "" })).toEqual([]);
  });

  test("the fallback, where the project cannot have what is tried first, or something else asks for it", async () => {
    const main = [
      "try:\n    from drivers import imo\nexcept ImportError:\n    import other_imu",
      "try:\n    import drivers._fast\nexcept ImportError:\n    import slow",
      "try:\n    import x\nexcept ImportError:\n    import y",
      "import y",
      "try:\n    open('x')\nexcept Exception:\n    import z",
      "try:\n    import x\nexcept ValueError:\n    import v",
    ];
    const files = { "drivers/__init__.py": "", "drivers/_fast.cpython-313-aarch64-linux-gnu.so": "" };
    expect(await needed({ ...files, "main.py": main.join("\n") })).toEqual(["other_imu", "slow", "v", "x", "y", "z"]);
  });

  test("not what is only run where a caught import went well", async () => {
    const main = [
      "try:\n    import numpy\nexcept ImportError:\n    ok = False\nelse:\n    from np_backend import X",
      "try:\n    open('x')\nexcept Exception:\n    pass\nelse:\n    import y",
    ];
    expect(await needed({ "main.py": main.join("\n") })).toEqual(["y"]);
  });

  test("a vendored namespace leaves the rest of it to the image", async () => {
    const files = { "main.py": "import google.own, google.protobuf\n", "vendor/google/own/__init__.py": "" };
    expect((await scan(files, "main.py")).scanned.imports.map(({ module }) => module)).toEqual(["google"]);
  });
});

describe("warnings", () => {
  test("files beside the source, and names known only at run time", async () => {
    const { dir, scanned } = await scan(
      {
        "nodes/main.py": [
          "import importlib, logging, os, sys",
          "sys.path.append('/opt/elsewhere')",
          "log = logging.getLogger(os.path.basename(__file__))",
          "importlib.import_module(sys.argv[1])",
          "DATA = os.path.join(os.path.dirname(__file__), 'gains.json')",
          "open('gains.json'), open('/etc/hostname'), open('made.txt', 'w')",
        ].join("\n"),
        "nodes/gains.json": "{}",
      },
      "nodes/main.py",
    );
    const main = join(dir, "nodes/main.py");
    const texts = scanned.warnings.map(({ where, message }) => `${formatPlace(where)}: ${message}`);
    expect(texts.map((text) => text.split(": ").slice(0, 2).join(": "))).toEqual([
      `${main}:4:1: what is imported here is known only when the node runs; if it is a file of the project, import it by name somewhere`,
      `${main}:5:37: __file__ is a path inside the bundle`,
      `${main}:6:1: gains.json is not in the bundle, and the working folder on the board is another; read data files with importlib.resources from a package`,
      `${main}:2:1: sys.path gets /opt/elsewhere, outside the project`,
    ]);
  });

  test("none for a program that has no such habits", async () => {
    const { scanned } = await scan({ "main.py": "import json\nprint(json.dumps(1))\n" }, "main.py");
    expect(scanned.warnings).toEqual([]);
  });
});

test("an aborted scan ends with the reason it was aborted for", async () => {
  const dir = await temporaryFolder();
  await writeFiles(dir, { "main.py": "" });
  const node = nodeOf(dir, "main.py");
  const options = {
    tools: hostTools,
    signal: AbortSignal.abort(new Error("stop")),
    sdk: { python: dir, typescript: dir },
  };
  await expect(scanNode(projectOf(dir, [node]), node, options)).rejects.toThrow("stop");
});
