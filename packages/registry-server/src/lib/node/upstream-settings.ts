import type { Setting } from "./setting.ts";

/** Settings about other registries: one that this server mirrors, and those that it stands before. */
export const UPSTREAM_SETTINGS: readonly Setting[] = [
  {
    key: "mirror.upstream",
    variables: ["REGISTRY_MIRROR_UPSTREAM"],
    flag: "mirror-upstream",
    kind: "url",
    summary:
      "Address of a registry that this server is a mirror of: it serves that registry's files and none of its own",
  },
  {
    key: "mirror.root",
    variables: ["REGISTRY_MIRROR_ROOT"],
    flag: "mirror-root",
    kind: "text",
    summary:
      "Digest (sha256:...) of the root that the upstream is trusted by; the root of the first contact unless set",
  },
  {
    key: "mirror.packages",
    variables: ["REGISTRY_MIRROR_PACKAGES"],
    flag: "mirror-packages",
    kind: "list",
    default: "**",
    summary: "Name patterns of the packages whose files are mirrored, comma-separated; !pattern takes names out",
  },
  {
    key: "mirror.others",
    variables: ["REGISTRY_MIRROR_OTHERS"],
    flag: "mirror-others",
    kind: "choice",
    choices: ["refuse", "redirect"],
    default: "refuse",
    summary: "Files of other packages: refuse, or redirect to the upstream",
  },
  {
    key: "mirror.interval",
    variables: ["REGISTRY_MIRROR_INTERVAL"],
    flag: "mirror-interval",
    kind: "duration",
    default: "5m",
    summary: "From one look at the upstream to the next; 0s: only by the command mirror or by bundles",
  },
  {
    key: "mirror.token",
    variables: ["REGISTRY_MIRROR_TOKEN"],
    flag: "mirror-token",
    kind: "text",
    secret: true,
    summary: "Token that the upstream is read with, where it wants one",
  },
  {
    key: "upstreams.file",
    variables: ["REGISTRY_UPSTREAMS_FILE"],
    flag: "upstreams-file",
    kind: "text",
    summary: "TOML file of [[upstreams]]: registries that this server gives out packages of beside its own",
  },
];
