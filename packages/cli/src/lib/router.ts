import type { Route, RouteEntry } from "./spec.ts";

/**
 * Every command by its words. Nothing of a command is loaded before its line is chosen: `--help` and
 * `--version` cost this table and no more.
 */
export const ROUTES: Readonly<Record<string, RouteEntry>> = {
  init: { group: "project", summary: "Make a package here", load: () => import("./commands/init.ts") },
  new: { group: "project", summary: "Make a package in a new directory", load: () => import("./commands/new.ts") },
  add: { group: "project", summary: "Add dependencies", load: () => import("./commands/add.ts") },
  remove: { group: "project", summary: "Remove dependencies", load: () => import("./commands/remove.ts") },
  install: {
    group: "project",
    summary: "Install what the lock file names",
    load: () => import("./commands/install.ts"),
  },
  update: {
    group: "project",
    summary: "Move locked versions within ranges",
    load: () => import("./commands/update.ts"),
  },
  upgrade: { group: "project", summary: "Raise ranges to newer versions", load: () => import("./commands/upgrade.ts") },
  lock: { group: "project", summary: "Write the lock file", load: () => import("./commands/lock.ts") },
  migrate: {
    group: "project",
    summary: "Convert another tool's manifest",
    load: () => import("./commands/migrate.ts"),
  },
  run: { group: "project", summary: "Run a script or an installed program", load: () => import("./commands/run.ts") },
  exec: {
    group: "project",
    summary: "Run a program with installed ones on the path",
    load: () => import("./commands/exec.ts"),
  },
  prepare: {
    group: "project",
    summary: "Fetch what a build needs and say where it lies",
    load: () => import("./commands/prepare.ts"),
  },
  vendor: {
    group: "project",
    summary: "Copy every locked package into the project",
    load: () => import("./commands/vendor.ts"),
  },
  link: {
    group: "project",
    summary: "Let a directory stand in for a package",
    load: () => import("./commands/link.ts"),
  },
  unlink: { group: "project", summary: "End such links", load: () => import("./commands/unlink.ts") },
  check: { group: "inspect", summary: "List every problem of this package", load: () => import("./commands/check.ts") },
  tree: { group: "inspect", summary: "Show the dependency tree", load: () => import("./commands/tree.ts") },
  why: { group: "inspect", summary: "Show why a package is installed", load: () => import("./commands/why.ts") },
  "why-not": {
    group: "inspect",
    summary: "Show why a version is not chosen",
    load: () => import("./commands/why-not.ts"),
  },
  resolve: {
    group: "inspect",
    summary: "Resolve, and change nothing",
    load: () => import("./commands/resolve.ts"),
  },
  licenses: {
    group: "inspect",
    summary: "List the licences of dependencies",
    load: () => import("./commands/licenses.ts"),
  },
  outdated: {
    group: "inspect",
    summary: "List dependencies with newer versions",
    load: () => import("./commands/outdated.ts"),
  },
  "chaos list": {
    group: "inspect",
    summary: "List chaos profiles",
    load: () => import("./commands/chaos-list.ts"),
  },
  "chaos plan": {
    group: "inspect",
    summary: "Plan the faults of a chaos profile",
    load: () => import("./commands/chaos-plan.ts"),
  },
  "chaos export": {
    group: "inspect",
    summary: "Print a chaos profile for a runner",
    load: () => import("./commands/chaos-export.ts"),
  },
  history: { group: "inspect", summary: "List installed generations", load: () => import("./commands/history.ts") },
  rollback: {
    group: "project",
    summary: "Return to an earlier generation",
    load: () => import("./commands/rollback.ts"),
  },
  test: { group: "package", summary: "Run a package's tests", load: () => import("./commands/test.ts") },
  pack: { group: "package", summary: "Build the package file", load: () => import("./commands/pack.ts") },
  build: {
    group: "package",
    summary: "Build the package file (same as pack)",
    hidden: true,
    load: () => import("./commands/pack.ts"),
  },
  "ci init": { group: "package", summary: "Write pipelines for CI", load: () => import("./commands/ci-init.ts") },
  sign: { group: "package", summary: "Sign a package file", load: () => import("./commands/sign.ts") },
  verify: {
    group: "package",
    summary: "Verify a package file, or what is installed",
    load: () => import("./commands/verify.ts"),
  },
  keygen: { group: "package", summary: "Make a signing key", load: () => import("./commands/keygen.ts") },
  "key export": {
    group: "package",
    summary: "Print a public key in another form",
    load: () => import("./commands/key-export.ts"),
  },
  "key list": {
    group: "registry",
    summary: "List an account's signing keys and their states",
    load: () => import("./commands/key-list.ts"),
  },
  "key rotate": {
    group: "registry",
    summary: "Put a new signing key in the place of an old one",
    load: () => import("./commands/key-rotate.ts"),
  },
  "key recover": {
    group: "registry",
    summary: "Replace a lost signing key, after a waiting period",
    load: () => import("./commands/key-recover.ts"),
  },
  "key revoke": {
    group: "registry",
    summary: "End the trust in a signing key",
    load: () => import("./commands/key-revoke.ts"),
  },
  publish: { group: "package", summary: "Publish a package", load: () => import("./commands/publish.ts") },
  yank: { group: "registry", summary: "Withdraw a version from new locks", load: () => import("./commands/yank.ts") },
  unyank: { group: "registry", summary: "Undo a yank", load: () => import("./commands/unyank.ts") },
  deprecate: {
    group: "registry",
    summary: "Mark a version as superseded",
    load: () => import("./commands/deprecate.ts"),
  },
  search: { group: "registry", summary: "Search a registry", load: () => import("./commands/search.ts") },
  info: { group: "registry", summary: "Show a package of a registry", load: () => import("./commands/info.ts") },
  fetch: {
    group: "registry",
    summary: "Download a package file and verify it",
    load: () => import("./commands/fetch.ts"),
  },
  owner: { group: "registry", summary: "List, add or remove owners", load: () => import("./commands/owner.ts") },
  "channel list": {
    group: "registry",
    summary: "List the channels of a package",
    load: () => import("./commands/channel-list.ts"),
  },
  "channel add": {
    group: "registry",
    summary: "Let a channel name a version",
    load: () => import("./commands/channel-add.ts"),
  },
  "channel remove": {
    group: "registry",
    summary: "Remove a channel",
    load: () => import("./commands/channel-remove.ts"),
  },
  takedown: {
    group: "registry",
    summary: "Remove a version's files, as an admin",
    load: () => import("./commands/takedown.ts"),
  },
  "review list": {
    group: "registry",
    summary: "List publications that wait for a reviewer",
    load: () => import("./commands/review-list.ts"),
  },
  "review show": {
    group: "registry",
    summary: "Show a publication that waits, and why",
    load: () => import("./commands/review-show.ts"),
  },
  "review approve": {
    group: "registry",
    summary: "Publish what waits",
    load: () => import("./commands/review-approve.ts"),
  },
  "review reject": {
    group: "registry",
    summary: "Reject what waits, with a reason",
    load: () => import("./commands/review-reject.ts"),
  },
  "review appeal": {
    group: "registry",
    summary: "Answer a rejection",
    load: () => import("./commands/review-appeal.ts"),
  },
  "org list": {
    group: "registry",
    summary: "List organisations",
    load: async () => ({ command: (await import("./commands/org.ts")).list }),
  },
  "org create": {
    group: "registry",
    summary: "Create an organisation",
    load: async () => ({ command: (await import("./commands/org.ts")).create }),
  },
  "org info": {
    group: "registry",
    summary: "Show an organisation",
    load: async () => ({ command: (await import("./commands/org.ts")).info }),
  },
  "org title": {
    group: "registry",
    summary: "Set an organisation's title",
    load: async () => ({ command: (await import("./commands/org.ts")).title }),
  },
  "org remove": {
    group: "registry",
    summary: "Remove an organisation",
    load: async () => ({ command: (await import("./commands/org.ts")).remove }),
  },
  "org members": {
    group: "registry",
    summary: "List the members of an organisation",
    load: async () => ({ command: (await import("./commands/org.ts")).members }),
  },
  "org role": {
    group: "registry",
    summary: "Change a member's role",
    load: async () => ({ command: (await import("./commands/org.ts")).role }),
  },
  "org remove-member": {
    group: "registry",
    summary: "Remove a member, or leave",
    load: async () => ({ command: (await import("./commands/org.ts")).leave }),
  },
  "org invite": {
    group: "registry",
    summary: "Invite somebody to an organisation",
    load: async () => ({ command: (await import("./commands/org.ts")).invite }),
  },
  "org invitations": {
    group: "registry",
    summary: "List an organisation's open invitations",
    load: async () => ({ command: (await import("./commands/org.ts")).invitations }),
  },
  "org revoke-invitation": {
    group: "registry",
    summary: "Revoke an invitation",
    load: async () => ({ command: (await import("./commands/org.ts")).revoke }),
  },
  "org config list": {
    group: "registry",
    summary: "List shared configurations",
    load: async () => ({ command: (await import("./commands/org-config.ts")).list }),
  },
  "org config get": {
    group: "registry",
    summary: "Print a shared configuration",
    load: async () => ({ command: (await import("./commands/org-config.ts")).get }),
  },
  "org config set": {
    group: "registry",
    summary: "Share a configuration",
    load: async () => ({ command: (await import("./commands/org-config.ts")).set }),
  },
  "org config remove": {
    group: "registry",
    summary: "Share a configuration no more",
    load: async () => ({ command: (await import("./commands/org-config.ts")).remove }),
  },
  "report usage": {
    group: "registry",
    summary: "Report how packages are used",
    load: async () => ({ command: (await import("./commands/report.ts")).usage }),
  },
  "report licenses": {
    group: "registry",
    summary: "Report licences in use",
    load: async () => ({ command: (await import("./commands/report.ts")).licenses }),
  },
  "webhook add": {
    group: "registry",
    summary: "Tell an address of events",
    load: async () => ({ command: (await import("./commands/webhook.ts")).add }),
  },
  "webhook list": {
    group: "registry",
    summary: "List webhooks",
    load: async () => ({ command: (await import("./commands/webhook.ts")).list }),
  },
  "webhook remove": {
    group: "registry",
    summary: "Remove a webhook",
    load: async () => ({ command: (await import("./commands/webhook.ts")).remove }),
  },
  "webhook enable": {
    group: "registry",
    summary: "Enable a webhook",
    load: async () => ({ command: (await import("./commands/webhook.ts")).enable }),
  },
  "webhook disable": {
    group: "registry",
    summary: "Disable a webhook",
    load: async () => ({ command: (await import("./commands/webhook.ts")).disable }),
  },
  "webhook rotate": {
    group: "registry",
    summary: "Give a webhook a new secret",
    load: async () => ({ command: (await import("./commands/webhook.ts")).rotate }),
  },
  "webhook test": {
    group: "registry",
    summary: "Send a webhook a test",
    load: async () => ({ command: (await import("./commands/webhook.ts")).test }),
  },
  "webhook deliveries": {
    group: "registry",
    summary: "List what was sent to a webhook",
    load: async () => ({ command: (await import("./commands/webhook.ts")).deliveries }),
  },
  "webhook redeliver": {
    group: "registry",
    summary: "Send a delivery again",
    load: async () => ({ command: (await import("./commands/webhook.ts")).redeliver }),
  },
  "team set": {
    group: "registry",
    summary: "Create or change a team",
    load: async () => ({ command: (await import("./commands/team.ts")).set }),
  },
  "team remove": {
    group: "registry",
    summary: "Remove a team",
    load: async () => ({ command: (await import("./commands/team.ts")).remove }),
  },
  "team members": {
    group: "registry",
    summary: "List the members of a team",
    load: async () => ({ command: (await import("./commands/team.ts")).members }),
  },
  "team add": {
    group: "registry",
    summary: "Put a member in a team",
    load: async () => ({ command: (await import("./commands/team.ts")).add }),
  },
  "team drop": {
    group: "registry",
    summary: "Take a member out of a team",
    load: async () => ({ command: (await import("./commands/team.ts")).drop }),
  },
  "namespace claim": {
    group: "registry",
    summary: "Claim a namespace for an organisation",
    load: async () => ({ command: (await import("./commands/namespace.ts")).claim }),
  },
  "namespace challenge": {
    group: "registry",
    summary: "Show the TXT record that proves a namespace",
    load: async () => ({ command: (await import("./commands/namespace.ts")).challenge }),
  },
  "namespace team": {
    group: "registry",
    summary: "Choose who creates packages in a namespace",
    load: async () => ({ command: (await import("./commands/namespace.ts")).team }),
  },
  "namespace release": {
    group: "registry",
    summary: "Give a namespace up",
    load: async () => ({ command: (await import("./commands/namespace.ts")).release }),
  },
  "invitation list": {
    group: "registry",
    summary: "List your invitations",
    load: async () => ({ command: (await import("./commands/invitation.ts")).list }),
  },
  "invitation accept": {
    group: "registry",
    summary: "Accept an invitation",
    load: async () => ({ command: (await import("./commands/invitation.ts")).accept }),
  },
  "invitation decline": {
    group: "registry",
    summary: "Decline an invitation",
    load: async () => ({ command: (await import("./commands/invitation.ts")).decline }),
  },
  "owner transfer offer": {
    group: "registry",
    summary: "Offer a package to somebody",
    load: async () => ({ command: (await import("./commands/owner-transfer.ts")).offer }),
  },
  "owner transfer list": {
    group: "registry",
    summary: "List offers of packages",
    load: async () => ({ command: (await import("./commands/owner-transfer.ts")).list }),
  },
  "owner transfer accept": {
    group: "registry",
    summary: "Accept a package",
    load: async () => ({ command: (await import("./commands/owner-transfer.ts")).accept }),
  },
  "owner transfer decline": {
    group: "registry",
    summary: "Decline a package",
    load: async () => ({ command: (await import("./commands/owner-transfer.ts")).decline }),
  },
  "owner transfer withdraw": {
    group: "registry",
    summary: "Take an offer back",
    load: async () => ({ command: (await import("./commands/owner-transfer.ts")).withdraw }),
  },
  "package claim create": {
    group: "registry",
    summary: "Ask for an abandoned name",
    load: async () => ({ command: (await import("./commands/package-claim.ts")).create }),
  },
  "package claim list": {
    group: "registry",
    summary: "List claims of names",
    load: async () => ({ command: (await import("./commands/package-claim.ts")).list }),
  },
  "package claim object": {
    group: "registry",
    summary: "Object to a claim of your package",
    load: async () => ({ command: (await import("./commands/package-claim.ts")).object }),
  },
  "package claim withdraw": {
    group: "registry",
    summary: "Withdraw your claim",
    load: async () => ({ command: (await import("./commands/package-claim.ts")).withdraw }),
  },
  "package claim approve": {
    group: "registry",
    summary: "Approve a claim, as an admin",
    load: async () => ({ command: (await import("./commands/package-claim.ts")).approve }),
  },
  "package claim reject": {
    group: "registry",
    summary: "Reject a claim, as an admin",
    load: async () => ({ command: (await import("./commands/package-claim.ts")).reject }),
  },
  "account otp status": {
    group: "registry",
    summary: "Show your second factor",
    load: async () => ({ command: (await import("./commands/account-otp.ts")).status }),
  },
  "account otp enable": {
    group: "registry",
    summary: "Add a second factor",
    load: async () => ({ command: (await import("./commands/account-otp.ts")).enable }),
  },
  "account otp disable": {
    group: "registry",
    summary: "Remove your second factor",
    load: async () => ({ command: (await import("./commands/account-otp.ts")).disable }),
  },
  "trusted-publisher list": {
    group: "registry",
    summary: "List projects whose builds publish a package",
    load: async () => ({ command: (await import("./commands/trusted-publisher.ts")).list }),
  },
  "trusted-publisher add": {
    group: "registry",
    summary: "Let a project's builds publish a package",
    load: async () => ({ command: (await import("./commands/trusted-publisher.ts")).add }),
  },
  "trusted-publisher remove": {
    group: "registry",
    summary: "End a project's right to publish",
    load: async () => ({ command: (await import("./commands/trusted-publisher.ts")).remove }),
  },
  "account otp codes": {
    group: "registry",
    summary: "Make new recovery codes",
    load: async () => ({ command: (await import("./commands/account-otp.ts")).codes }),
  },
  "account passkey list": {
    group: "registry",
    summary: "List your passkeys",
    load: async () => ({ command: (await import("./commands/account.ts")).passkeys }),
  },
  "account passkey remove": {
    group: "registry",
    summary: "Remove a passkey",
    load: async () => ({ command: (await import("./commands/account.ts")).removePasskey }),
  },
  "account session list": {
    group: "registry",
    summary: "List your open sessions",
    load: async () => ({ command: (await import("./commands/account.ts")).sessions }),
  },
  "account session end": {
    group: "registry",
    summary: "End a session, or all others",
    load: async () => ({ command: (await import("./commands/account.ts")).endSession }),
  },
  "account password": {
    group: "registry",
    summary: "Change your password",
    load: async () => ({ command: (await import("./commands/account.ts")).password }),
  },
  "account delete": {
    group: "registry",
    summary: "Delete your account",
    load: async () => ({ command: (await import("./commands/account.ts")).remove }),
  },
  "account reset-password": {
    group: "registry",
    summary: "Reset somebody's password, as an admin",
    load: async () => ({ command: (await import("./commands/account.ts")).resetPassword }),
  },
  "account reset-otp": {
    group: "registry",
    summary: "Remove somebody's second factor, as an admin",
    load: async () => ({ command: (await import("./commands/account.ts")).resetOtp }),
  },
  "token create": {
    group: "registry",
    summary: "Create a token of your account",
    load: async () => ({ command: (await import("./commands/token.ts")).create }),
  },
  "token list": {
    group: "registry",
    summary: "List your tokens, without their secrets",
    load: async () => ({ command: (await import("./commands/token.ts")).list }),
  },
  "token revoke": {
    group: "registry",
    summary: "Revoke a token",
    load: async () => ({ command: (await import("./commands/token.ts")).revoke }),
  },
  login: { group: "registry", summary: "Store a token for a registry", load: () => import("./commands/login.ts") },
  logout: { group: "registry", summary: "Forget a registry's token", load: () => import("./commands/logout.ts") },
  whoami: { group: "registry", summary: "Show who you are to a registry", load: () => import("./commands/whoami.ts") },
  "registry add": {
    group: "machine",
    summary: "Configure a registry",
    load: () => import("./commands/registry-add.ts"),
  },
  "registry list": {
    group: "machine",
    summary: "List configured registries and whether they answer",
    load: () => import("./commands/registry-list.ts"),
  },
  "registry remove": {
    group: "machine",
    summary: "Forget a registry and its credentials",
    load: () => import("./commands/registry-remove.ts"),
  },
  "registry trust": {
    group: "machine",
    summary: "Show or set what a registry is trusted by",
    load: () => import("./commands/registry-trust.ts"),
  },
  "log verify": {
    group: "registry",
    summary: "Verify a registry's transparency log",
    load: () => import("./commands/log-verify.ts"),
  },
  "log monitor": {
    group: "registry",
    summary: "List what the log says of a package",
    load: () => import("./commands/log-monitor.ts"),
  },
  "audit verify": {
    group: "registry",
    summary: "Compare audit records with the log",
    load: () => import("./commands/audit-verify.ts"),
  },
  "config get": { group: "machine", summary: "Show one setting", load: () => import("./commands/config-get.ts") },
  "config set": { group: "machine", summary: "Change one setting", load: () => import("./commands/config-set.ts") },
  "config list": { group: "machine", summary: "List all settings", load: () => import("./commands/config-list.ts") },
  checksum: {
    group: "index",
    summary: "Sum a package directory or a file",
    load: () => import("./commands/checksum.ts"),
  },
  "index-init": {
    group: "index",
    summary: "Make the directory of a static registry",
    load: () => import("./commands/index-init.ts"),
  },
  "index-entry": {
    group: "index",
    summary: "Print a pack's entry for a flat index",
    load: () => import("./commands/index-entry.ts"),
  },
  "index-update": {
    group: "index",
    summary: "Put a pack into a flat index",
    load: () => import("./commands/index-update.ts"),
  },
  "index-merge": {
    group: "index",
    summary: "Merge flat indexes",
    load: () => import("./commands/index-merge.ts"),
  },
  "index-validate": {
    group: "index",
    summary: "Check flat indexes, or a static registry",
    load: () => import("./commands/index-validate.ts"),
  },
  "bundle create": {
    group: "registry",
    summary: "Copy what is locked, for a place without network",
    load: () => import("./commands/bundle-create.ts"),
  },
  "bundle verify": {
    group: "registry",
    summary: "Verify an offline bundle and its age",
    load: () => import("./commands/bundle-verify.ts"),
  },
  "index-publish": {
    group: "index",
    summary: "Publish packages to a static registry",
    load: () => import("./commands/index-publish.ts"),
  },
  "index-status": {
    group: "index",
    summary: "Yank or deprecate in a static registry",
    load: () => import("./commands/index-status.ts"),
  },
  "index-refresh": {
    group: "index",
    summary: "Renew a static registry's signatures",
    load: () => import("./commands/index-refresh.ts"),
  },
  "index-root": {
    group: "index",
    summary: "Sign and install a static registry's root",
    load: () => import("./commands/index-root.ts"),
  },
  "index-prune": {
    group: "index",
    summary: "Remove what a static registry has replaced",
    load: () => import("./commands/index-prune.ts"),
  },
  "index-delegate": {
    group: "index",
    summary: "Say who may sign which packages",
    load: () => import("./commands/index-delegate.ts"),
  },
  "index-submit": {
    group: "index",
    summary: "Hand packages in to a static registry",
    load: () => import("./commands/index-submit.ts"),
  },
  "index-accept": {
    group: "index",
    summary: "Publish what was handed in",
    load: () => import("./commands/index-accept.ts"),
  },
  "config unset": {
    group: "machine",
    summary: "Take one setting out of the file",
    load: () => import("./commands/config-unset.ts"),
  },
  "cache info": {
    group: "machine",
    summary: "Show where caches are, and how large",
    load: () => import("./commands/cache-info.ts"),
  },
  "cache verify": {
    group: "machine",
    summary: "Compare every stored file's digest",
    load: () => import("./commands/cache-verify.ts"),
  },
  "cache clean": {
    group: "machine",
    summary: "Delete caches and unused stored packages",
    load: () => import("./commands/cache-clean.ts"),
  },
  "env create": {
    group: "machine",
    summary: "Make an isolated environment",
    load: () => import("./commands/env-create.ts"),
  },
  "env list": { group: "machine", summary: "List environments", load: () => import("./commands/env-list.ts") },
  "env info": { group: "machine", summary: "Show an environment", load: () => import("./commands/env-info.ts") },
  "env clone": { group: "machine", summary: "Copy an environment", load: () => import("./commands/env-clone.ts") },
  "env delete": { group: "machine", summary: "Delete an environment", load: () => import("./commands/env-delete.ts") },
  "env activate": {
    group: "machine",
    summary: "Make an environment this shell's",
    load: () => import("./commands/env-activate.ts"),
  },
  clean: {
    group: "machine",
    summary: "Delete caches and build outputs",
    load: () => import("./commands/clean.ts"),
  },
  "tool install": {
    group: "machine",
    summary: "Install a package's programs for yourself",
    load: () => import("./commands/tool-install.ts"),
  },
  "tool list": { group: "machine", summary: "List tools", load: () => import("./commands/tool-list.ts") },
  "tool uninstall": {
    group: "machine",
    summary: "Take a tool and its programs away",
    load: () => import("./commands/tool-uninstall.ts"),
  },
  "profile check": {
    group: "machine",
    summary: "Check an ecosystem profile",
    load: () => import("./commands/profile-check.ts"),
  },
  explain: { group: "machine", summary: "Explain an error code", load: () => import("./commands/explain.ts") },
  completion: {
    group: "machine",
    summary: "Print a shell completion script",
    load: () => import("./commands/completion.ts"),
  },
  complete: {
    group: "machine",
    summary: "Propose completions",
    hidden: true,
    load: () => import("./commands/complete.ts"),
  },
};

const PLAIN: Pick<Route, "flags" | "defaults"> = { flags: {}, defaults: {} };

/** Lading's own commands under their own names. */
export function ownRoutes(): Route[] {
  return Object.entries(ROUTES).map(([words, entry]) => ({
    words,
    command: words,
    summary: entry.summary,
    group: entry.group,
    hidden: entry.hidden ?? false,
    ...PLAIN,
  }));
}

/** What matching the first words of a command line gave. */
export type RouteMatch =
  | { readonly type: "route"; readonly route: Route; readonly rest: readonly string[] }
  | { readonly type: "group"; readonly prefix: string; readonly routes: readonly Route[] }
  | { readonly type: "unknown"; readonly input: string };

/** Chooses the route with the most words that `argv` starts with. */
export function matchRoute(routes: readonly Route[], argv: readonly string[]): RouteMatch {
  const end = argv.findIndex((argument) => argument.startsWith("-"));
  const words = end === -1 ? argv : argv.slice(0, end);
  for (let length = Math.min(words.length, 3); length > 0; length -= 1) {
    const prefix = words.slice(0, length).join(" ");
    const route = routes.find((candidate) => candidate.words === prefix);
    if (route !== undefined) return { type: "route", route, rest: argv.slice(length) };
  }
  const input = words[0] ?? "";
  const members = routes.filter((route) => route.words.startsWith(`${input} `));
  if (members.length > 0 && words.length < 2) return { type: "group", prefix: input, routes: members };
  const tried = members.length > 0 ? words.slice(0, 2).join(" ") : input;
  return { type: "unknown", input: tried };
}
