import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { builtinProfile } from "@lading/core-manifest";
import { createContext, pack, publish } from "@lading/engine";
import { cleanEnvironment } from "./peers.ts";

/** Publishes `versions` small versions `1.0.x` of one package to a registry, as its author would. */
export async function publishSeries(series: {
  readonly url: string;
  readonly token: string;
  readonly directory: string;
  readonly name: string;
  readonly versions: number;
}): Promise<void> {
  const { url, token, name } = series;
  for (let patch = 0; patch < series.versions; patch++) {
    const directory = join(series.directory, "sources", `${name}-${patch}`);
    mkdirSync(directory, { recursive: true });
    writeFileSync(
      join(directory, "lading.toml"),
      `[package]\nname = "${name}"\nversion = "1.0.${patch}"\ndescription = "A tool of the benchmark"\nlicense = "MIT"\n\n[dependencies]\nbench-core = "^1.0.0"\nbench-util = "^2.1.0"\n`,
    );
    writeFileSync(join(directory, "index.txt"), `release ${patch}\n`);
    const env = cleanEnvironment(series.directory, { LADING_TOKEN: token });
    const context = createContext({ profile: builtinProfile("lading"), cwd: directory, env, registry: url });
    const [packed] = await pack({}, context);
    await publish({ file: packed!.path, wait: false }, context);
    await context.close();
  }
}
