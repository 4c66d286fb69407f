/** Commands that with `--dry-run` say what they would do, and do nothing of it. */
export const PLANNING_COMMANDS: ReadonlySet<string> = new Set([
  "init",
  "new",
  "add",
  "remove",
  "install",
  "update",
  "upgrade",
  "lock",
  "migrate",
  "vendor",
  "link",
  "unlink",
  "pack",
  "build",
  "ci init",
  "publish",
  "index-init",
  "index-update",
  "index-merge",
  "index-prune",
  "index-accept",
  "cache clean",
  "clean",
  "env create",
  "env delete",
]);

/** Commands that change nothing, with `--dry-run` or without; what they read of registries is kept in the cache. */
export const READING_COMMANDS: ReadonlySet<string> = new Set([
  "check",
  "resolve",
  "tree",
  "why",
  "why-not",
  "outdated",
  "licenses",
  "chaos list",
  "history",
  "key list",
  "report usage",
  "report licenses",
  "search",
  "info",
  "channel list",
  "review list",
  "org list",
  "org info",
  "org members",
  "org invitations",
  "org config list",
  "webhook list",
  "webhook deliveries",
  "team members",
  "namespace challenge",
  "invitation list",
  "owner transfer list",
  "package claim list",
  "account otp status",
  "account passkey list",
  "account session list",
  "trusted-publisher list",
  "token list",
  "whoami",
  "registry list",
  "config get",
  "config list",
  "index-validate",
  "cache info",
  "env list",
  "env info",
  "tool list",
  "profile check",
  "explain",
  "completion",
  "complete",
]);

/** Options with which one of these commands does what it cannot plan, and why. */
export const UNPLANNED_OPTIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  install: { remote: "a server does not say what it would install" },
  lock: { record: "it writes a file" },
  resolve: { record: "it writes a file" },
  "index-init": { native: "it makes and signs a registry" },
};

/**
 * Whether a command keeps the promise of `--dry-run`. Every other one refuses the flag: who is told what would be done must
 * not find that it was.
 */
export function keepsDryRun(command: string): boolean {
  return PLANNING_COMMANDS.has(command) || READING_COMMANDS.has(command);
}

/** The first option given with which a command that keeps `--dry-run` would not, and why. */
export function unplannedOption(
  command: string,
  flags: Readonly<Record<string, unknown>>,
): { readonly option: string; readonly reason: string } | undefined {
  const found = Object.entries(UNPLANNED_OPTIONS[command] ?? {}).find(
    ([option]) => flags[option] !== undefined && flags[option] !== false,
  );
  return found === undefined ? undefined : { option: found[0], reason: found[1] };
}
