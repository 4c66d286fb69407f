import path from "node:path";
import type { EcosystemProfile } from "@lading/core-manifest";

/** Where this user's files of one ecosystem are. */
export interface Directories {
  /** Configuration, registries and credentials. */
  readonly config: string;
  /** The content store. */
  readonly data: string;
  /** Index documents and downloads; deleting it loses nothing but time. */
  readonly cache: string;
  /** Signing keys and the trust store. */
  readonly keys: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The directories of an ecosystem: `<PREFIX>_CONFIG_DIR`, `_DATA_DIR` and `_CACHE_DIR`, else the XDG base directories
 * (XDG Base Directory Specification 0.8), else the profile's own place below the home directory.
 */
export function resolveDirectories(profile: EcosystemProfile, env: Environment, home: string): Directories {
  const own = (name: string): string | undefined => nonEmpty(env[`${profile.environmentPrefix}_${name}_DIR`]);
  const xdg = (name: string, fallback: string): string => {
    const base = nonEmpty(env[`XDG_${name}_HOME`]);
    // The specification wants a relative base ignored.
    return base !== undefined && path.isAbsolute(base) ? base : path.join(home, fallback);
  };
  const configured = profile.config.directory;
  const config = configured.startsWith("~")
    ? expandHome(configured, home)
    : path.join(xdg("CONFIG", ".config"), configured);
  return {
    config: own("CONFIG") ?? config,
    data: own("DATA") ?? path.join(xdg("DATA", ".local/share"), profile.id),
    cache: own("CACHE") ?? path.join(xdg("CACHE", ".cache"), profile.id),
    keys: own("KEY") ?? expandHome(profile.keyDirectory, home),
  };
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value;
}

/** Directory of the content store. */
export function storeDirectory({ directories }: { readonly directories: Directories }): string {
  return path.join(directories.data, "store", "v1");
}

/** `~` and `~/x` as a path below the home directory; everything else unchanged. */
export function expandHome(file: string, home: string): string {
  if (file === "~") return home;
  return file.startsWith("~/") ? path.join(home, file.slice(2)) : file;
}
