import type { Digest } from "@lading/core-manifest";
import { matchesPackagePattern } from "../package-pattern.ts";

/** How one upstream registry is followed and served. */
export interface UpstreamOptions {
  /** Path part and label: lower-case letters, digits and `-`. */
  readonly name: string;
  /** Its address; absent for one whose files are carried here in bundles. */
  readonly url?: string | undefined;
  /** Digest of a root that trust in it begins with; absent: the root of the first contact. */
  readonly root?: Digest | undefined;
  /** Sent to the upstream's own origin. */
  readonly token?: string | undefined;
  /** Which packages' files are held and given out: name patterns; one that begins with `!` takes names out. */
  readonly packages: readonly string[];
  /**
   * `all`: files of those packages are fetched before they are asked for. `on-demand`: when somebody asks first. `carried`:
   * never, but by a command or a bundle.
   */
  readonly fetch: "all" | "on-demand" | "carried";
  /** What is answered where files of other packages are asked for. */
  readonly others: "refuse" | "redirect";
  /** From the end of one look at the upstream to the next; 0: never by itself. */
  readonly intervalMs: number;
  /** Whether the tree of the upstream is that of this server, in place of packages of its own. */
  readonly isWholeServer: boolean;
  /** Versions younger than this are not given out, unless an exception was granted. */
  readonly minimumAgeMs: number;
}

/** Name of the upstream that a mirror is one of. */
export const MIRROR = "mirror";

/** Whether a pattern of {@link UpstreamOptions.packages} takes names out, and which. */
function isExclusion(pattern: string): boolean {
  return pattern.startsWith("!");
}

/** Whether files of a package, by its canonical name, are held and given out: some pattern names it, and none takes it out. */
export function isChosen({ packages }: Pick<UpstreamOptions, "packages">, canonical: string): boolean {
  const matches = (pattern: string): boolean => matchesPackagePattern(pattern.replace(/^!/, ""), canonical);
  return (
    packages.some((pattern) => !isExclusion(pattern) && matches(pattern)) &&
    !packages.some((pattern) => isExclusion(pattern) && matches(pattern))
  );
}
