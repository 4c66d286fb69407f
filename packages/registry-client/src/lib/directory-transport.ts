import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { METADATA_LIMIT_BYTES, refuseLong } from "./metadata-limit.ts";
import type { Transport, TransportOptions } from "./ports.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import type { RegistryConfig } from "./registry-config.ts";

/** A static registry in a directory (`file:` URL): the same tree of files that a server or a bucket serves, read only. */
export function directoryTransport(registry: RegistryConfig): Transport {
  const failed = (options: TransportOptions, error: unknown): RegistryClientError =>
    new RegistryClientError({
      code: "REGISTRY_UNREACHABLE",
      message: `Cannot ${options.action}: the directory of registry "${registry.name}" cannot be read: ${(error as Error).message}`,
      hint: "Check that the directory exists and may be read",
      registry: registry.name,
      cause: error,
    });
  const readOnly = (_url: string, _body: unknown, options: TransportOptions): Promise<never> =>
    Promise.reject(
      new RegistryClientError({
        code: "REGISTRY_READ_ONLY",
        message: `Cannot ${options.action}: registry "${registry.name}" is files without an API`,
        hint: "Use a registry with a server for this command; a static registry takes packages by index-publish where it is kept",
        registry: registry.name,
      }),
    );
  return {
    metadata: async (url, options) => {
      options.signal?.throwIfAborted();
      const bytes = await whenPresent(
        () => readStart(fileURLToPath(url), options.maxBytes ?? METADATA_LIMIT_BYTES),
        (error) => failed(options, error),
      );
      if (bytes === undefined) return absentIfRootExists(registry, (error) => failed(options, error));
      if (options.maxBytes === undefined) refuseLong(bytes, options.action, registry);
      const validator = `"sha256:${createHash("sha256").update(bytes).digest("hex")}"`;
      const asked = options.validator?.split(",").map((one) => one.trim());
      return asked?.includes(validator) === true ? { status: "unchanged" } : { status: "found", bytes, validator };
    },
    blob: async (url, options) => {
      options.signal?.throwIfAborted();
      const path = fileURLToPath(url);
      const found = await whenPresent(
        () => stat(path),
        (error) => failed(options, error),
      );
      if (found === undefined) return undefined;
      const offset = options.offset ?? 0;
      const body = createReadStream(path, { start: offset, signal: options.signal, highWaterMark: 256 * 1024 });
      return { size: found.size, offset, body };
    },
    publish: readOnly,
    call: readOnly,
    close: () => Promise.resolve(),
  };
}

/** A file, or the first `most` bytes and one more of a longer one. */
async function readStart(path: string, most: number): Promise<Buffer> {
  const handle = await open(path);
  try {
    const found = await handle.stat();
    if (!found.isFile() && !found.isDirectory()) throw new Error(`"${path}" is no file`);
    if (found.size <= most) return await handle.readFile();
    const start = Buffer.alloc(most + 1);
    const { bytesRead } = await handle.read(start, 0, start.length, 0);
    return start.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

// A directory that is gone (an unmounted disk) must not look like a registry without packages.
async function absentIfRootExists(
  registry: RegistryConfig,
  failed: (error: unknown) => RegistryClientError,
): Promise<{ status: "absent" }> {
  try {
    await stat(fileURLToPath(registry.url));
  } catch (error) {
    throw failed(error);
  }
  return { status: "absent" };
}

async function whenPresent<T>(read: () => Promise<T>, failed: (error: unknown) => Error): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw failed(error);
  }
}
