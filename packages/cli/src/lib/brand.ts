import type { EcosystemProfile } from "@lading/core-manifest";
import type { Route } from "./spec.ts";

/** A bin's name, words and profile, the profile loaded at most once and only when asked for. */
export interface Brand {
  readonly version: string;
  readonly ownCommands: boolean;
  readonly profile: () => Promise<EcosystemProfile>;
  readonly bin: () => Promise<string>;
  readonly title: () => Promise<string>;
  readonly routes: () => Promise<readonly Route[]>;
}
