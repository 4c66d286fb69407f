// Publications a second and the server's processor time for each: `node -C @lading/source scripts/stress/publish-rate.ts`.
// CLIENTS, VERSIONS and PACKAGES change the load; BUILT=1 takes what `pnpm build` made.
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncPairs } from "../bench/disk.ts";
import { processorSeconds } from "../bench/processor-time.ts";
import { ladingUpload, publishAll, type Upload } from "../bench/uploads.ts";
import { pack, startRegistry, temporaryDirectory, type Packed } from "./support.ts";

const CLIENTS = Number(process.env["CLIENTS"] ?? 8);
const VERSIONS = Number(process.env["VERSIONS"] ?? 400);
const PACKAGES = Number(process.env["PACKAGES"] ?? 32);
const WARM = 64;

const directory = await temporaryDirectory();
try {
  const packed: Packed[] = [];
  for (let number = 0; number < WARM + VERSIONS; number += 1) {
    const name = `package-${number % PACKAGES}`;
    packed.push(await pack({ directory, name, version: `1.0.${Math.floor(number / PACKAGES)}`, bytes: 4000 }));
  }
  const pairs = syncPairs(directory);
  const registry = await startRegistry(join(directory, "data"), { built: process.env["BUILT"] === "1" });
  const uploads: Upload[] = [];
  for (const { path, blob, size, tree } of packed)
    uploads.push(ladingUpload(registry, { metadata: { blob, size, tree }, file: await readFile(path) }));
  await publishAll(uploads.splice(0, WARM), CLIENTS);
  const before = processorSeconds(registry.pid);
  const rate = await publishAll(uploads, CLIENTS);
  const used = processorSeconds(registry.pid) - before;
  console.log(
    `${VERSIONS} publications by ${CLIENTS} clients: ${Math.round(rate)} a second, ${((used * 1000) / VERSIONS).toFixed(2)} ms of processor time each; ${Math.round(pairs)} pairs of syncs a second on this disk`,
  );
  await registry.stop();
} finally {
  await rm(directory, { recursive: true, force: true });
}
