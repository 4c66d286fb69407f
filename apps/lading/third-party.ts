import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { BundlerPlugin } from "./direct-imports.ts";

/** Writes the licence of everybody else's package that is in the bundle beside it, as their licences ask for. */
export function thirdPartyLicenses(): BundlerPlugin {
  return {
    name: "third-party-licenses",
    setup(build) {
      build.initialOptions.metafile = true;
      build.onEnd(({ metafile }) => {
        const { outdir, absWorkingDir = "." } = build.initialOptions;
        if (metafile === undefined || outdir === undefined) return;
        const notices = packageFolders(metafile).map((folder) => notice(resolve(absWorkingDir, folder)));
        const folder = resolve(absWorkingDir, outdir);
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, "third-party-licenses.txt"), notices.join("\n\n"));
      });
    },
  };
}

function packageFolders({ inputs }: { readonly inputs: object }): string[] {
  const folders = Object.keys(inputs).flatMap(
    (file) => /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? [],
  );
  return [...new Set(folders)].sort();
}

function notice(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<
    "name" | "version" | "license",
    string
  >;
  const texts = readdirSync(folder).filter((file) => /^(?:licen[cs]e|notice|authors)/i.test(file));
  return [`${name} ${version} (${license})`, ...texts.map((file) => readFileSync(join(folder, file), "utf8"))].join(
    "\n\n",
  );
}
