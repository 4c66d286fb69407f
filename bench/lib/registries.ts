import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { cleanEnvironment } from "./peers.ts";
import { freePort, startServer } from "./processes.ts";

const root = join(import.meta.dirname, "../..");

/** A registry that listens on the loopback interface. */
export interface RunningRegistry {
  readonly url: string;
  readonly process: ChildProcess;
}

/** A registry of ours, as built, in a process of its own, with its administrator's token; fresh unless `data` is given. */
export async function startLading(
  directory: string,
  { data = join(directory, "lading") }: { readonly data?: string } = {},
): Promise<RunningRegistry & { readonly token: string }> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = await startServer(
    process.execPath,
    [join(root, "apps/registry/dist/main.js"), "--data", data, "--host", "127.0.0.1", "--port", String(port)],
    `${url}/api/v1/health/live`,
    { env: cleanEnvironment(directory) },
  );
  return { url, token: readFileSync(join(data, "admin-token"), "utf8").trim(), process: child };
}

/** A fresh Verdaccio without an uplink, in which everybody may publish. */
export async function startVerdaccio(directory: string): Promise<RunningRegistry> {
  const port = await freePort();
  const home = join(directory, "verdaccio");
  mkdirSync(home, { recursive: true });
  writeFileSync(
    join(home, "config.yaml"),
    `storage: ${home}/storage
auth: { htpasswd: { file: ${home}/htpasswd } }
packages: { "@*/*": { access: $all, publish: $all }, "**": { access: $all, publish: $all } }
max_body_size: 100mb
log: { type: stdout, format: json, level: fatal }
`,
  );
  const url = `http://127.0.0.1:${port}`;
  const child = await startServer(
    process.execPath,
    [
      join(root, "bench/node_modules/verdaccio/bin/verdaccio"),
      "--config",
      join(home, "config.yaml"),
      "--listen",
      String(port),
    ],
    `${url}/-/ping`,
    { env: cleanEnvironment(directory) },
  );
  return { url, process: child };
}

/** The request that `npm publish` makes. */
export function verdaccioPublication(
  url: string,
  manifest: { readonly name: string; readonly version: string; readonly [key: string]: unknown },
  tarball: Uint8Array,
): { readonly path: string; readonly body: string } {
  const { name, version } = manifest;
  const file = `${name}-${version}.tgz`;
  const digest = (algorithm: string, encoding: "hex" | "base64"): string =>
    createHash(algorithm).update(tarball).digest(encoding);
  const dist = {
    tarball: `${url}/${name}/-/${file}`,
    shasum: digest("sha1", "hex"),
    integrity: `sha512-${digest("sha512", "base64")}`,
  };
  const body = JSON.stringify({
    _id: name,
    name,
    "dist-tags": { latest: version },
    versions: { [version]: { ...manifest, dist } },
    _attachments: {
      [file]: {
        content_type: "application/octet-stream",
        data: Buffer.from(tarball).toString("base64"),
        length: tarball.length,
      },
    },
  });
  return { path: `/${name.replace("/", "%2f")}`, body };
}

/** Publishes a package to Verdaccio. */
export async function publishToVerdaccio(
  url: string,
  manifest: { readonly name: string; readonly version: string; readonly [key: string]: unknown },
  tarball: Uint8Array,
): Promise<void> {
  const { path, body } = verdaccioPublication(url, manifest, tarball);
  const response = await fetch(`${url}${path}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body,
  });
  if (!response.ok)
    throw new Error(`Verdaccio answered ${response.status} to ${manifest.name}: ${await response.text()}`);
}
