import { cp } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { build, outcome, scan, scanAt, temporaryFolder, type Files, type Outcome } from "./robot.ts";

/** Runs the entry as the user would, from the project, and its bundle from an empty folder. */
async function both(
  files: Files,
  entry: string,
  how: { module?: string; args?: string[] } = {},
): Promise<[Outcome, Outcome]> {
  const { dir, scanned } = await scan(files, entry);
  const args = how.args ?? [];
  const start = how.module === undefined ? [join(dir, entry)] : ["-m", how.module];
  const path = [dir, join(dir, "src"), join(dir, "vendor")].join(":");
  const plain = await outcome("python3", ["-B", ...start, ...args], dir, { PYTHONPATH: path });
  const output = await build(scanned);
  const bundled = await outcome(
    "python3",
    ["-I", "-B", join(output.dir, "node.pyz"), ...args],
    await temporaryFolder(),
  );
  return [plain, bundled];
}

async function expectSame(
  files: Files,
  entry: string,
  how: { module?: string; args?: string[] } = {},
): Promise<string> {
  const [plain, bundled] = await both(files, entry, how);
  expect(plain.stderr).toBe("");
  expect(bundled).toEqual(plain);
  expect(plain.stdout).not.toBe("");
  return bundled.stdout;
}

describe("a bundle does what the program does", () => {
  test("imports from the entry's folder and from the project's", () =>
    expectSame(
      {
        "nodes/imu.py":
          "import near\nfrom lib.filters import low_pass\nimport lib.deep.er as er\nprint(near.X, low_pass(2), er.Y)\n",
        "nodes/near.py": "X = 'near'\n",
        "near.py": "X = 'far'\n",
        "lib/__init__.py": "",
        "lib/filters.py": "from . import gains\ndef low_pass(x): return x * gains.GAIN\n",
        "lib/gains.py": "GAIN = 3\n",
        "lib/deep/__init__.py": "",
        "lib/deep/er.py": "from ..gains import GAIN as Y\n",
      },
      "nodes/imu.py",
    ));

  test("namespace packages, in one folder and over two", () =>
    expectSame(
      {
        "nodes/a.py":
          "import parts.one, parts.two\nfrom parts import one as o\nprint(parts.one.N, parts.two.N, o is parts.one)\n",
        "nodes/parts/one.py": "N = 1\n",
        "parts/two.py": "N = 2\n",
      },
      "nodes/a.py",
    ));

  test("src layout", () =>
    expectSame(
      {
        "run.py": "from arm.core import go\ngo()\n",
        "src/arm/__init__.py": "",
        "src/arm/core.py": "def go(): print('go')\n",
      },
      "run.py",
    ));

  test("an entry inside a package, with relative imports", () =>
    expectSame(
      {
        "src/arm/__init__.py": "WHO = 'arm'\n",
        "src/arm/nodes/__init__.py": "print('package first')\n",
        "src/arm/nodes/main.py":
          "from .. import WHO\nfrom .helper import help\nprint(__name__, __package__, __spec__.name, WHO, help())\n",
        "src/arm/nodes/helper.py": "def help(): return __name__\n",
      },
      "src/arm/nodes/main.py",
      { module: "arm.nodes.main" },
    ));

  test("a package's __main__", () =>
    expectSame(
      {
        "arm/__init__.py": "",
        "arm/__main__.py": "from arm.a import A\nfrom .a import A as B\nprint(A is B, __package__)\n",
        "arm/a.py": "class A: pass\n",
      },
      "arm/__main__.py",
      { module: "arm" },
    ));

  test("a relative import in a folder without __init__", () =>
    expectSame(
      { "nodes/main.py": "from .helper import X\nprint(X)\n", "nodes/helper.py": "X = __name__\n" },
      "nodes/main.py",
      { module: "nodes.main" },
    ));

  test("the main guard, also of modules, and a module that imports the entry by name", () =>
    expectSame(
      {
        "main.py":
          "import other\nSTATE = []\nif __name__ == '__main__':\n    STATE.append(1)\n    print(__name__, other.look())\n",
        "other.py":
          "def look():\n    import main\n    return main.__name__, main.STATE\nif __name__ == '__main__':\n    import matplotlib_that_is_not_there\n",
      },
      "main.py",
    ));

  test("circular imports", () =>
    expectSame(
      { "main.py": "import a\nprint(a.b.a.X)\n", "a.py": "X = 1\nimport b\n", "b.py": "import a\n" },
      "main.py",
    ));

  test("dynamic imports with a literal name, in any spelling", () =>
    expectSame(
      {
        "main.py": [
          "import importlib",
          "from importlib import import_module",
          "print(importlib.import_module('plugins.one').N, __import__('two').N, import_module('.three', package='plugins').N)",
          "for name in ('one', 'three'):",
          "    print(importlib.import_module(f'plugins.{name}').N, importlib.import_module('plugins.' + name).__name__)",
        ].join("\n"),
        "plugins/__init__.py": "",
        "plugins/one.py": "N = 1\n",
        "plugins/three.py": "N = 3\n",
        "two.py": "N = 2\n",
      },
      "main.py",
    ));

  test("dynamic imports that count from a package they name", () =>
    expectSame(
      {
        "main.py": [
          "from importlib import import_module",
          "print(import_module('..one', package='arm.parts').N, import_module('..parts.two', 'arm.parts').N)",
          "print(import_module('..', 'arm.parts').__name__, import_module('...three', 'arm.parts.deep').N)",
          "for name in ('three', 'four'):",
          "    print(import_module(f'..{name}', 'arm.parts').N)",
          "try:",
          "    import_module('...one', 'arm.parts')",
          "except ImportError as error:",
          "    print(error)",
        ].join("\n"),
        "arm/__init__.py": "",
        "arm/one.py": "N = 1\n",
        "arm/parts/__init__.py": "",
        "arm/parts/deep/__init__.py": "",
        "arm/parts/two.py": "N = 2\n",
        "arm/three.py": "N = 3\n",
        "arm/four.py": "N = 4\n",
      },
      "main.py",
    ));

  test("plugins that a package finds in its own folder, or under its own name", () =>
    expectSame(
      {
        "main.py": [
          "import pkgutil, importlib",
          "import listed, named",
          "from robot import drivers as d",
          "print(listed.load(), named.load('one'), named.load('two'))",
          "print([importlib.import_module(i.name).N for i in pkgutil.walk_packages(d.__path__, d.__name__ + '.')])",
        ].join("\n"),
        "listed/__init__.py": [
          "import importlib, pkgutil",
          "def load():",
          "    return [importlib.import_module('.' + m.name, __name__).N for m in pkgutil.iter_modules(__path__)]",
        ].join("\n"),
        "listed/a.py": "N = 'a'\n",
        "listed/b.py": "N = 'b'\n",
        "named/__init__.py": [
          "import importlib",
          "def load(name):",
          "    return importlib.import_module(f'{__name__}.{name}').N, importlib.import_module(__package__ + '.sub.' + name).N",
        ].join("\n"),
        "named/one.py": "N = 1\n",
        "named/two.py": "N = 2\n",
        "named/sub/__init__.py": "",
        "named/sub/one.py": "N = 11\n",
        "named/sub/two.py": "N = 22\n",
        "robot/__init__.py": "",
        "robot/drivers/__init__.py": "",
        "robot/drivers/motor.py": "N = 'motor'\n",
      },
      "main.py",
    ));

  test("modules that only a text names: a logging configuration, a table of plugins", () =>
    expectSame(
      {
        "main.py": [
          "import importlib, logging.config",
          "TABLE = {'imu': 'robot.imu', 'none': 'robot.nowhere', 'host': 'www.example.com'}",
          "print(importlib.import_module(TABLE['imu']).N)",
          "logging.config.dictConfig({'version': 1, 'formatters': {'short': {'()': 'robot.logs.Short'}}})",
        ].join("\n"),
        "robot/__init__.py": "",
        "robot/imu.py": "N = 'imu'\n",
        "robot/logs.py": "import logging\nclass Short(logging.Formatter):\n    pass\n",
      },
      "main.py",
    ));

  test("star imports with submodules in __all__", () =>
    expectSame(
      {
        "main.py": "from pkg import *\nprint(a.X, Y)\n",
        "pkg/__init__.py": "__all__ = ['a', 'Y']\nY = 2\n",
        "pkg/a.py": "X = 1\n",
      },
      "main.py",
    ));

  test("conditional and optional imports take the branch they take on the board", () =>
    expectSame(
      {
        "main.py": [
          "import sys, contextlib",
          "from typing import TYPE_CHECKING",
          "if TYPE_CHECKING:",
          "    from nowhere import Nothing",
          "if sys.platform == 'win32':",
          "    import msvcrt_not_here",
          "elif sys.version_info >= (3, 8):",
          "    import posix_side as side",
          "else:",
          "    import old_side as side",
          "try:",
          "    import RPi.GPIO as GPIO",
          "except (ImportError, RuntimeError):",
          "    import fake_gpio as GPIO",
          "with contextlib.suppress(ImportError):",
          "    import not_there_either",
          "try:",
          "    import needs_more",
          "except ImportError as error:",
          "    print(error)",
          "print(side.__name__, GPIO.__name__)",
        ].join("\n"),
        "posix_side.py": "",
        "fake_gpio.py": "",
        "needs_more.py": "import hardware_library\n",
      },
      "main.py",
    ));

  test("data files of packages, through importlib.resources and pkgutil", () =>
    expectSame(
      {
        "main.py": [
          "import pkgutil",
          "from importlib.resources import files",
          "import robot.config",
          "print(files('robot').joinpath('data/gains.json').read_text().strip())",
          "print(files('robot.meshes').joinpath('arm.txt').read_text(), files(robot.config).joinpath('c.yaml').read_text())",
          "print(pkgutil.get_data('robot', 'data/raw.bin'))",
          "print(sorted(p.name for p in files('robot').iterdir() if p.name != '__pycache__' and not p.name.startswith('.')))",
        ].join("\n"),
        "robot/__init__.py": "",
        "robot/data/gains.json": '{"p": 1}\n',
        "robot/data/raw.bin": new Uint8Array([0, 255, 1]),
        "robot/meshes/__init__.py": "",
        "robot/meshes/arm.txt": "arm",
        "robot/config/__init__.py": "",
        "robot/config/c.yaml": "a: 1",
      },
      "main.py",
    ));

  test("__future__, dataclasses, pickle, enum, async", () =>
    expectSame(
      {
        "main.py": [
          "#!/usr/bin/env python3",
          '"""The docstring."""',
          "from __future__ import annotations",
          "import asyncio, enum, pickle, typing",
          "from dataclasses import dataclass, asdict",
          "class Kind(enum.Enum):",
          "    A = 1",
          "@dataclass(slots=True)",
          "class Reading:",
          "    kind: Kind",
          "    values: list[float] | None = None",
          "async def main():",
          "    await asyncio.sleep(0)",
          "    copy = pickle.loads(pickle.dumps(Reading(Kind.A, [1.5])))",
          "    print(asdict(copy), typing.get_type_hints(Reading), Reading.__module__, __doc__)",
          "asyncio.run(main())",
        ].join("\n"),
      },
      "main.py",
    ));

  test("a file beside the entry shadows the standard library, as it does for Python", () =>
    expectSame(
      {
        "main.py": "import queue, time\nprint(queue.MINE, hasattr(time, 'MINE'))\n",
        "queue.py": "MINE = 1\n",
        "time.py": "MINE = 1\n",
        "json/data.txt": "",
      },
      "main.py",
    ));

  test("a file in the project's folder does not shadow it, unless the program puts that in front", async () => {
    const lines = ["import os, sys", "ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))"];
    const uses = ["import secrets, calendar, own", "print(hasattr(secrets, 'KEY'), hasattr(calendar, 'MINE'), own.X)"];
    const files = {
      "secrets.py": "KEY = 'robot'\n",
      "src/calendar.py": "MINE = 1\n",
      "nodes/appends.py": [...lines, "sys.path.append(ROOT)", ...uses].join("\n"),
      "nodes/inserts.py": [...lines, "sys.path.insert(0, ROOT)", ...uses].join("\n"),
      "nodes/plain.py": uses.join("\n"),
      "own.py": "X = 1\n",
    };
    for (const name of ["appends", "inserts"]) {
      const { dir, scanned } = await scan(files, `nodes/${name}.py`);
      const plain = await outcome("python3", ["-B", join(dir, `nodes/${name}.py`)], dir);
      expect(plain.stdout).toBe(`${name === "inserts" ? "True" : "False"} False 1\n`);
      const output = await build(scanned);
      expect(await outcome("python3", ["-I", "-B", join(output.dir, "node.pyz")], dir)).toEqual(plain);
    }
    for (const name of ["appends", "plain"]) {
      const found = (await names(files, `nodes/${name}.py`)).filter((file) => file.endsWith(".py"));
      expect(found).toEqual(["__main__.py", `app-src/nodes/${name}.py`, "app-src/own.py"]);
    }
  });

  test("a module of the project with a name that only another system's Python has", () =>
    expectSame({ "nodes/main.py": "import msvcrt\nprint(msvcrt.MINE)\n", "msvcrt.py": "MINE = 1\n" }, "nodes/main.py"));

  test("a folder of data does not shadow the standard library", () =>
    expectSame(
      {
        "main.py": "import json, logging\nprint(json.dumps([1]), logging.INFO)\n",
        "json/x.json": "{}",
        "logging/a.py": "",
      },
      "main.py",
    ));

  test("folders put on sys.path by the program itself", () =>
    expectSame(
      {
        "nodes/main.py": [
          "import os, sys",
          "from pathlib import Path",
          "HERE = os.path.dirname(os.path.abspath(__file__))",
          "sys.path.insert(0, os.path.join(HERE, '..', 'common'))",
          "sys.path.append(str(Path(__file__).resolve().parent.parent / 'drivers'))",
          "import shared, motor",
          "print(shared.X, motor.Y)",
        ].join("\n"),
        "nodes/shared.py": "X = 'beside'\n",
        "common/shared.py": "X = 'common'\n",
        "drivers/motor.py": "Y = 2\n",
      },
      "nodes/main.py",
    ));

  test("vendored packages, whole, with their data and metadata", async () => {
    const { scanned } = await scan(vendored, "main.py");
    await expectSame(vendored, "main.py");
    expect(scanned.imports.map(({ module }) => module)).toEqual(["importlib"]);
  });

  test("an optional compiled part of a vendored package is done without", () =>
    expectSame(
      {
        "main.py": "import fast\nprint(fast.how)\n",
        "vendor/fast/__init__.py": "try:\n    from ._speedups import how\nexcept ImportError:\n    how = 'slow'\n",
        "vendor/fast/_speedups.cpython-399-x86_64-linux-gnu.so": new Uint8Array([127, 69]),
      },
      "main.py",
    ));

  test("arguments, exit status and output of a program that leaves early", async () => {
    const [plain, bundled] = await both(
      {
        "main.py":
          "import sys, atexit\natexit.register(lambda: print('bye', STATE))\nSTATE = sys.argv[1:]\nprint('x', end='')\nsys.exit(7)\n",
      },
      "main.py",
      { args: ["--fast", "a b"] },
    );
    expect(plain).toEqual({ stdout: "xbye ['--fast', 'a b']\n", stderr: "", status: 7 });
    expect(bundled).toEqual(plain);
  });

  test("the SDK is in the bundle; a module of the project of that name goes first", async () => {
    const sdk = await scan({ "main.py": "import rtnode\nprint(rtnode.TICK)\n" }, "main.py");
    const run = await outcome("python3", ["-I", join((await build(sdk.scanned)).dir, "node.pyz")], sdk.dir);
    expect(run.stdout).toBe("sdk tick\n");
    expect(sdk.scanned.sdk).toBe(true);
    expect((await scan({ "main.py": "print(1)\n" }, "main.py")).scanned.sdk).toBe(false);
    await expectSame({ "main.py": "import rtnode\nprint(rtnode.TICK)\n", "rtnode.py": "TICK = 'own'\n" }, "main.py");
  });

  test("a traceback names the module and the line", async () => {
    const [plain, bundled] = await both(
      {
        "main.py": "from lib.broken import go\n\ngo()\n",
        "lib/__init__.py": "",
        "lib/broken.py": "\n\ndef go():\n    return 1 / 0\n",
      },
      "main.py",
    );
    expect(bundled.status).toBe(plain.status);
    expect(bundled.stderr).toMatch(/node\.pyz\/app-src\/main\.py", line 3, in <module>/);
    expect(bundled.stderr).toMatch(/node\.pyz\/app-src\/lib\/broken\.py", line 4, in go/);
    expect(bundled.stderr).toMatch(/ZeroDivisionError: division by zero\n$/);
  });
});

const vendored: Files = {
  "main.py": [
    "from importlib.metadata import version",
    "from importlib.resources import files",
    "import dep, single, space.inner",
    "print(dep.late(), single.S, space.inner.I, version('the-dep'), files('dep').joinpath('table.csv').read_text())",
  ].join("\n"),
  "vendor/dep/__init__.py": "def late():\n    from . import plugin\n    return plugin.P\n",
  "vendor/dep/plugin.py": "P = 'plugin'\ndef never():\n    import pandas_for_some_users\n",
  "vendor/dep/py2.py": "print 'only for Python 2'\n",
  "vendor/dep/table.csv": "1;2",
  "vendor/the_dep-2.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: the-dep\nVersion: 2.1\n",
  "vendor/the_dep-2.1.dist-info/RECORD": "dep/__init__.py,,\nthe_dep-2.1.dist-info/METADATA,,\n",
  "vendor/the_dep-2.1.dist-info/direct_url.json": '{"url": "file:///home/someone"}',
  "vendor/single.py": "S = 1\n",
  "vendor/space/inner/__init__.py": "I = 2\n",
  "vendor/unused/__init__.py": "",
};

/** The names in a bundle, folders with a slash at their end. */
async function names(files: Files, entry: string): Promise<string[]> {
  const { scanned } = await scan(files, entry);
  const { dir } = await build(scanned);
  const list = "import sys, zipfile; print(*zipfile.ZipFile(sys.argv[1]).namelist(), sep='\\n')";
  const { stdout } = await outcome("python3", ["-c", list, join(dir, "node.pyz")], dir);
  return stdout.trim().split("\n");
}

describe("what goes into the zip", () => {
  test("only what is imported, and nothing of the machine", async () => {
    expect((await names(vendored, "main.py")).filter((name) => !name.endsWith("/"))).toEqual([
      "__main__.py",
      "app-src/main.py",
      "dep/__init__.py",
      "dep/plugin.py",
      "dep/py2.py",
      "dep/table.csv",
      "single.py",
      "space/inner/__init__.py",
      "the_dep-2.1.dist-info/METADATA",
    ]);
  });

  test("a package's data, but no byte code, no hidden file, no other package's Python", async () => {
    const found = await names(
      {
        "main.py": "import pkg.used\n",
        "unrelated.txt": "beside the entry",
        "pkg/__init__.py": "",
        "pkg/used.py": "",
        "pkg/unused.py": "",
        "pkg/data.txt": "",
        "pkg/.hidden": "",
        "pkg/__pycache__/used.cpython-313.pyc": "",
        "pkg/old.pyc": "",
        "pkg/link.txt": { link: "data.txt" },
        "pkg/loop": { link: "." },
      },
      "main.py",
    );
    const files = [
      "__main__.py",
      "app-src/main.py",
      "app-src/pkg/__init__.py",
      "app-src/pkg/data.txt",
      "app-src/pkg/link.txt",
      "app-src/pkg/used.py",
    ];
    expect(found.filter((name) => !name.endsWith("/"))).toEqual(files);
  });

  test("the same bytes twice, and from a copy elsewhere; the inputs are the contents", async () => {
    const first = await scan(vendored, "main.py");
    const copy = join(await temporaryFolder(), "another", "place");
    await cp(dirname(join(first.dir, "x")), copy, { recursive: true });
    const second = await scanAt(copy, "main.py");
    expect(second.scanned.step.inputs).toEqual(first.scanned.step.inputs);
    const outputs = [await build(first.scanned), await build(first.scanned), await build(second.scanned)];
    expect(new Set(outputs.map(({ digest }) => digest)).size).toBe(1);
  });
});
