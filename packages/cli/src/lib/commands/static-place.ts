interface TextFlag {
  readonly type: "text";
  readonly summary: string;
  readonly placeholder: string;
}

/** Flags of every command that writes to a static registry. */
export const PLACE_FLAGS: { readonly keys: TextFlag; readonly branch: TextFlag } = {
  keys: {
    type: "text",
    summary: "Directory of the registry's keys; default: beside a directory, NAME-keys",
    placeholder: "DIR",
  },
  branch: { type: "text", summary: "Branch of a Git repository", placeholder: "NAME" },
};

/** The flag that says where the registry is. */
export const TO_FLAG: { readonly to: TextFlag } = {
  to: {
    type: "text",
    summary: "The registry: a directory, or a git+, s3+ or releases+ address",
    placeholder: "PLACE",
  },
};

/** A day, without its time. */
export function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}

/** The line about signatures after a change. */
export function signedLine({
  timestamp,
  expiresMs,
}: {
  readonly timestamp: number;
  readonly expiresMs: number;
}): string {
  return `  signed as timestamp ${timestamp}, good until ${dayOf(expiresMs)}`;
}

/** Flags of the commands about channels: a static registry is changed in its place, since it has no server to ask. */
export const CHANNEL_FLAGS: typeof PLACE_FLAGS & typeof TO_FLAG & { readonly publisher: TextFlag } = {
  to: {
    ...TO_FLAG.to,
    summary: "A static registry, in place of a server: a directory, or a git+, s3+ or releases+ address",
  },
  ...PLACE_FLAGS,
  publisher: { type: "text", summary: "Account that is logged with it, of a static registry", placeholder: "NAME" },
};
