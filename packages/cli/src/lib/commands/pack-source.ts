import type { PackSourceInput } from "@lading/engine";

/** Flags that say where a pack can be had from. */
export const SOURCE_FLAGS = {
  "git-url": { type: "text", summary: "HTTPS address of the pack's Git repository", placeholder: "URL" },
  "git-ref": { type: "text", summary: "Tag, branch or commit; default: what is checked out", placeholder: "REF" },
  "archive-url": { type: "text", summary: "HTTPS address of the pack's archive", placeholder: "URL" },
  "archive-checksum": {
    type: "text",
    summary: "Checksum of the archive; default: it is downloaded and summed",
    placeholder: "sha256:HEX",
  },
} as const;

interface SourceFlagValues {
  readonly "git-url": string | undefined;
  readonly "git-ref": string | undefined;
  readonly "archive-url": string | undefined;
  readonly "archive-checksum": string | undefined;
}

/** The engine's input of {@link SOURCE_FLAGS}. */
export function sourceInput(flags: SourceFlagValues): PackSourceInput {
  return {
    gitUrl: flags["git-url"],
    gitRef: flags["git-ref"],
    archiveUrl: flags["archive-url"],
    archiveChecksum: flags["archive-checksum"],
  };
}
