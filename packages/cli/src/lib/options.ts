import type { EcosystemProfile } from "@lading/core-manifest";

/** An ecosystem profile, or a function that loads it when a command first needs it. */
export type ProfileInput = EcosystemProfile | (() => EcosystemProfile | Promise<EcosystemProfile>);

/** How a bin is made from a profile. */
export interface CliOptions {
  /** One of the profile's bins. Default: its first. */
  readonly bin?: string;
  /** Shown by `--version`. Default: this package's version. */
  readonly version?: string;
  /** First line of `--help`. Default: the bin's summary or the profile's title. */
  readonly title?: string;
  /**
   * The bin has exactly Lading's own commands under their own names: `--help` and `--version` then need no
   * profile. Needs `bin` and `title`.
   */
  readonly ownCommands?: boolean;
}
