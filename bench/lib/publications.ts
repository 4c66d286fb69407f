import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { builtinProfile } from "@lading/core-manifest";
import { createContext, pack } from "@lading/engine";
import { cleanEnvironment } from "./peers.ts";
import { verdaccioPublication } from "./registries.ts";
import { ladingUpload, type Upload } from "../../scripts/bench/uploads.ts";

/** A round of publications. */
export interface Series {
  readonly round: number;
  readonly count: number;
  readonly directory: string;
}

const PACKAGES = 32;

const versionAt = (round: number, at: number): string => `${round}.${Math.floor(at / PACKAGES)}.0`;

/** Uploads of small packages to a registry of ours, as its client sends them. */
export async function ladingUploads(
  registry: { readonly url: string; readonly token: string },
  { round, count, directory }: Series,
): Promise<Upload[]> {
  const uploads: Upload[] = [];
  for (let at = 0; at < count; at += 1) {
    const source = join(directory, "uploads", `${round}-${at}`);
    mkdirSync(source, { recursive: true });
    const name = `load-${at % PACKAGES}`;
    writeFileSync(
      join(source, "lading.toml"),
      `[package]\nname = "${name}"\nversion = "${versionAt(round, at)}"\nlicense = "MIT"\n`,
    );
    writeFileSync(join(source, "index.txt"), `release ${round} ${at}\n`.repeat(100));
    const context = createContext({ profile: builtinProfile("lading"), cwd: source, env: cleanEnvironment(directory) });
    const [packed] = await pack({}, context);
    await context.close();
    const { path, checksum, size, tree } = packed!;
    uploads.push(ladingUpload(registry, { metadata: { blob: checksum, size, tree }, file: readFileSync(path) }));
    rmSync(source, { recursive: true });
  }
  return uploads;
}

/** Uploads of as many small packages to Verdaccio, as npm sends them. */
export function verdaccioUploads({ url }: { readonly url: string }, { round, count }: Series): Upload[] {
  return Array.from({ length: count }, (_, at) => {
    const manifest = { name: `load-${at % PACKAGES}`, version: versionAt(round, at), license: "MIT" };
    const { path, body } = verdaccioPublication(url, manifest, Buffer.from(`release ${round} ${at}\n`.repeat(100)));
    return {
      method: "PUT",
      url: `${url}${path}`,
      headers: { "content-type": "application/json" },
      body: Buffer.from(body),
    };
  });
}
