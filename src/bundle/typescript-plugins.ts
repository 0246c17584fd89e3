import type { Loader, Plugin } from "esbuild";
import { readFile, realpath } from "node:fs/promises";
import { dirname, extname, join, sep } from "node:path";
import { adaptDependency, adaptSource } from "./typescript-source.ts";

/** The esbuild namespace of the SDK's files: they are named after the SDK, not after where rtkit is installed. */
export const SDK_NAMESPACE = "rtnode";

/** A require or import that loads a native addon, or a package whose only use is to load one. */
export interface AddonUse {
  /** Absolute path of the importing file. */
  readonly importer: string;
  readonly specifier: string;
}

/** Packages that find and load a package's `.node` file. */
const ADDON_LOADERS =
  /^(?:bindings|node-gyp-build|node-gyp-build-optional-packages|node-pre-gyp|@mapbox\/node-pre-gyp|pkg-prebuilds|prebuild-install|@neon-rs\/load)(?:\/|$)/;

/**
 * Resolves `rtnode` to the SDK, unless the project has a module of that name. A tsconfig.json may lead to the SDK's own
 * files, for editors: that is no module of the project, and decides nothing where they are not at that place.
 */
export function sdkPlugin(sdkDir: string): Plugin {
  return {
    name: "rtnode",
    async setup(build) {
      const sdkFiles = `${await realpath(sdkDir)}${sep}`;
      build.onResolve({ filter: /^rtnode$/ }, async ({ path, resolveDir, importer, kind, namespace, pluginData }) => {
        if (namespace === SDK_NAMESPACE || pluginData === "own") return undefined;
        const own = await build.resolve(path, { resolveDir, importer, kind, namespace, pluginData: "own" });
        const isOwn = own.errors.length === 0 && !own.path.startsWith(sdkFiles);
        return isOwn ? own : { path: "index.ts", namespace: SDK_NAMESPACE };
      });
      build.onResolve({ filter: /^\.\.?\//, namespace: SDK_NAMESPACE }, ({ path, importer }) => ({
        path: join(dirname(importer), path),
        namespace: SDK_NAMESPACE,
      }));
      build.onLoad({ filter: /.*/, namespace: SDK_NAMESPACE }, async ({ path }) => ({
        contents: await readFile(join(sdkDir, path), "utf8"),
        loader: "ts",
        resolveDir: sdkDir,
      }));
    },
  };
}

/** Leaves native addons out of the bundle and records who asked for them. The SDK's own is on the board. */
export function addonPlugin(uses: AddonUse[]): Plugin {
  return {
    name: "native-addons",
    setup(build) {
      build.onResolve({ filter: /\.node$/ }, ({ path, importer, namespace }) => {
        if (namespace !== SDK_NAMESPACE) uses.push({ importer, specifier: path });
        return { path, external: true };
      });
      build.onResolve({ filter: ADDON_LOADERS }, ({ path, importer }) => {
        uses.push({ importer, specifier: path });
        return { path, external: true };
      });
    },
  };
}

/** Applies {@link adaptSource} to the project's own files, and {@link adaptDependency} to others. */
export function adaptPlugin(entry: string): Plugin {
  return {
    name: "one-file",
    setup(build) {
      build.onLoad({ filter: /\.[cm]?[jt]sx?$/, namespace: "file" }, async ({ path }) => {
        const source = await readFile(path, "utf8");
        const contents = isDependency(path) ? adaptDependency(source) : adaptSource(source, path === entry);
        return contents === undefined ? undefined : { contents, loader: loaderOf(path), resolveDir: dirname(path) };
      });
    },
  };
}

/** True for files of an installed package. */
export function isDependency(path: string): boolean {
  return /(?:^|\/)node_modules\//.test(path);
}

/** The package a file belongs to (`@scope/name`), or undefined outside node_modules. */
export function packageOf(path: string): string | undefined {
  return /^.*(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
}

/** esbuild's loader for a JavaScript or TypeScript file. */
export function loaderOf(path: string): Loader {
  const ending = extname(path)
    .replace(/[cm](?=[jt]s)/, "")
    .slice(1);
  return ending === "ts" || ending === "tsx" || ending === "jsx" ? ending : "js";
}
