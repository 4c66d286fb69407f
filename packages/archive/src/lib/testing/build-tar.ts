import { BLOCK, FIELD, headerChecksum, paddingOf, type FieldName } from "../tar-header.ts";

/** A tar member as a test wants it, right or wrong; what is absent is as honest tools write it. */
export interface TarMemberSpec {
  readonly name: string | Uint8Array;
  /** Type flag; `0` when absent. */
  readonly type?: string;
  readonly content?: string | Uint8Array;
  /** Fields to overwrite, as text; the checksum is computed afterwards unless it is one of them. */
  readonly fields?: Partial<Record<FieldName, string | Uint8Array>>;
  /** Size to state instead of the content's. */
  readonly statedSize?: number;
  /** Bytes after the content instead of zeros. */
  readonly padding?: Uint8Array;
}

const utf8 = new TextEncoder();
const bytesOf = (value: string | Uint8Array): Uint8Array => (typeof value === "string" ? utf8.encode(value) : value);

/** Joins byte arrays. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The blocks of one member. */
export function buildTarMember(spec: TarMemberSpec): Uint8Array {
  const content = bytesOf(spec.content ?? "");
  const block = new Uint8Array(BLOCK);
  const put = (field: FieldName, value: string | Uint8Array): void => {
    const [offset, length] = FIELD[field];
    block.fill(0, offset, offset + length);
    block.set(bytesOf(value).subarray(0, length), offset);
  };
  put("name", spec.name);
  put("mode", spec.type === "5" ? "0000755" : "0000644");
  put("uid", "0000000");
  put("gid", "0000000");
  put("size", (spec.statedSize ?? content.length).toString(8).padStart(11, "0"));
  put("mtime", "00000000000");
  put("type", spec.type ?? "0");
  put("magic", "ustar\u000000");
  put("devmajor", "0000000");
  put("devminor", "0000000");
  for (const [field, value] of Object.entries(spec.fields ?? {})) put(field as FieldName, value);
  if (spec.fields?.checksum === undefined)
    put("checksum", `${headerChecksum(block).toString(8).padStart(6, "0")}\u0000 `);
  return concatBytes([block, content, spec.padding ?? new Uint8Array(paddingOf(content.length))]);
}

/** A tar of members or ready blocks, with its two end blocks. */
export function buildTar(members: readonly (TarMemberSpec | Uint8Array)[]): Uint8Array {
  const parts = members.map((member) => (member instanceof Uint8Array ? member : buildTarMember(member)));
  return concatBytes([...parts, new Uint8Array(2 * BLOCK)]);
}

/** A pax header member with one record for each pair; lengths are right. */
export function paxMember(records: readonly (readonly [key: string, value: string])[], type = "x"): TarMemberSpec {
  const text = records.map(([key, value]) => paxRecord(key, value)).join("");
  return { name: "PaxHeader", type, content: text };
}

function paxRecord(key: string, value: string): string {
  const body = utf8.encode(` ${key}=${value}\n`).length;
  let length = body + 1;
  while (String(length).length + body !== length) length += 1;
  return `${length} ${key}=${value}\n`;
}
