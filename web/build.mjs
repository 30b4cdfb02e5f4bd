/* Builds what the browser loads into the Python package. The viewer and spice-html5 stay two files: the second is LGPL
   and may be replaced by another build of it. */

import { build } from "esbuild";
import { copyFile, mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "../src/frazil/controller/portal/static");
const viewer = join(dist, "viewer");
const vendor = join(dist, "vendor");
const modules = join(here, "node_modules");
const target = ["es2022", "chrome108", "firefox108", "safari16"];

await mkdir(viewer, { recursive: true });
await mkdir(vendor, { recursive: true });

const spice = join(modules, "@spice-project/spice-html5");
const { version } = JSON.parse(await readFile(join(spice, "package.json"), "utf8"));
await build({
  entryPoints: [join(here, "src/spice-html5.js")],
  outfile: join(viewer, "spice-html5.js"),
  bundle: true,
  format: "esm",
  target,
  logLevel: "warning",
  banner: {
    js: `/* spice-html5 ${version}, unmodified, bundled into one file. Copyright (C) its authors; LGPL-3.0-or-later:
   see spice-html5.COPYING.LESSER beside this file. Source: npm package @spice-project/spice-html5 ${version}. */`,
  },
});
await copyFile(join(spice, "COPYING.LESSER"), join(viewer, "spice-html5.COPYING.LESSER"));
await copyFile(join(spice, "COPYING"), join(viewer, "spice-html5.COPYING"));

await build({
  entryPoints: [join(here, "src/viewer.ts"), join(here, "src/viewer.css")],
  outdir: viewer,
  bundle: true,
  minify: true,
  sourcemap: false,
  format: "esm",
  target,
  external: ["./spice-html5.js"],
  logLevel: "warning",
});

await copyFile(join(modules, "htmx.org/dist/htmx.min.js"), join(vendor, "htmx.min.js"));
await copyFile(join(modules, "htmx.org/LICENSE"), join(vendor, "htmx.LICENSE"));
