import type { WebhookOf } from "@lading/registry-client";
import { CliError } from "../cli-error.ts";

/** What `--package` and `--org` name: one of them, or with neither the whole registry. */
export function webhookSubject(flags: {
  readonly package?: string | undefined;
  readonly org?: string | undefined;
}): WebhookOf {
  const { package: name, org: organisation } = flags;
  if (name !== undefined && organisation !== undefined)
    throw new CliError({
      code: "CLI_FLAG_INVALID",
      message: "Cannot use --package and --org together: it is about one of them",
    });
  if (name !== undefined) return { package: name };
  return organisation === undefined ? {} : { organisation };
}
