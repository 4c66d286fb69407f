interface TextFlag {
  readonly type: "text";
  readonly summary: string;
  readonly placeholder: string;
}

interface ListFlag {
  readonly type: "list";
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

/** The flag that says who is logged with a change. */
export const PUBLISHER_FLAG: { readonly publisher: TextFlag } = {
  publisher: { type: "text", summary: "Account that is logged with it", placeholder: "NAME" },
};

/** Flags of the commands that judge authors' signatures, published by themselves or handed in. */
export const AUTHOR_FLAGS: {
  readonly "public-key": ListFlag;
  readonly "accept-key": { readonly type: "boolean"; readonly summary: string };
  readonly address: ListFlag;
} = {
  "public-key": { type: "list", summary: "Public key of an author who is new", placeholder: "FILE" },
  "accept-key": { type: "boolean", summary: "Take a signature by other keys than earlier versions have" },
  address: {
    type: "list",
    summary: "Address by which readers reach the registry: signatures for other registries are refused",
    placeholder: "URL",
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
export const CHANNEL_FLAGS: typeof PLACE_FLAGS & typeof TO_FLAG & typeof PUBLISHER_FLAG = {
  to: {
    ...TO_FLAG.to,
    summary: "A static registry, in place of a server: a directory, or a git+, s3+ or releases+ address",
  },
  ...PLACE_FLAGS,
  publisher: { ...PUBLISHER_FLAG.publisher, summary: "Account that is logged with it, of a static registry" },
};
