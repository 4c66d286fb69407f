import type { LadingEvent } from "@lading/core-manifest";

/** A pack to install on the server's own machine, with every field that a request may leave out. */
export interface InstallPackRequest {
  /** A Git address, an https: address of an archive, or a name, `name@requirement`, of the registry's. */
  readonly source: string;
  /** Branch, tag or commit of a Git address. */
  readonly ref?: string;
  /** `sha256:<hex>` of an archive's bytes. */
  readonly checksum?: string;
  readonly skipDependencies: boolean;
  readonly skipTests: boolean;
}

/** A pack that is installed now. */
export interface InstalledPack {
  readonly name: string;
  readonly version: string;
  /** Where it came from: `registry`, `git`, `path`, ... and the address. */
  readonly source: { readonly type: string; readonly url?: string; readonly commit?: string };
  readonly checksum?: string;
  /** RFC 3339, UTC. */
  readonly installed: string;
  /** Whether it was asked for, rather than needed by another. */
  readonly direct: boolean;
}

/** What came of a request. */
export type InstallAnswer =
  | { readonly ok: true; readonly packs: readonly InstalledPack[]; readonly validation?: unknown }
  /** An expected refusal: nothing was changed. */
  | {
      readonly ok: false;
      /** Code of the error, such as `REQUIREMENTS_UNMET`. */
      readonly code: string;
      readonly message: string;
      readonly hint?: string;
      /** Every single thing that is missing or wrong. */
      readonly problems: readonly string[];
      readonly validation?: unknown;
    };

/**
 * Installs packs where a server runs. The server calls it for one request at a time. What cannot be done for a reason
 * that lies in the request, the pack or the machine is an answer; rejections are faults.
 */
export interface InstallService {
  install(
    request: InstallPackRequest,
    options: { readonly onEvent: (event: LadingEvent) => void; readonly signal: AbortSignal },
  ): Promise<InstallAnswer>;
}
