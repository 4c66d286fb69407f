import type { BundleResult } from "@lading/engine/static";
import type { Style } from "../render/style.ts";
import { count } from "../render/table.ts";

/** A bundle as people read of it. */
export function bundleLines(verb: string, { directory, created, registries }: BundleResult, style: Style): string[] {
  return [
    `${style.green("✓")} ${verb} the bundle ${directory} of ${created}`,
    ...registries.flatMap(({ url, packages, until, staleDays, allowedDays, root }) => [
      `  ${url}: ${count(packages, "package")}`,
      root === undefined ? "    no signed metadata: checksums only" : `    signed under root ${root}`,
      ...(until === undefined
        ? []
        : [
            staleDays === 0
              ? `    signatures hold until ${until.slice(0, 10)}, and are taken for ${allowedDays} days more`
              : `    ${style.yellow("⚠")} signatures ran out ${count(staleDays, "day")} ago, allowed are ${allowedDays}`,
          ]),
    ]),
  ];
}
