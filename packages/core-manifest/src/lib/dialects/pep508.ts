/** A dependency specifier of PEP 508, cut into its parts; nothing is checked but the form. */
export interface Pep508 {
  /** Lower case: PEP 503 says that case does not count. */
  readonly name: string;
  readonly extras: readonly string[];
  /** Specifiers without parentheses; `undefined` where there are none. */
  readonly specifiers?: string;
  readonly url?: string;
  readonly marker?: string;
}

const HEAD = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*/;
const MAX_LENGTH = 1024;

/** The parts, or what is wrong. */
export function parsePep508(text: string): Pep508 | { problem: string } {
  const trimmed = text.trim();
  const head = trimmed.length > MAX_LENGTH ? null : HEAD.exec(trimmed);
  if (head === null) return { problem: "it does not start with the name of a package" };
  const extras = (head[2] ?? "")
    .split(",")
    .map((extra) => extra.trim())
    .filter((extra) => extra !== "");
  const badExtra = extras.find((extra) => !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(extra));
  if (badExtra !== undefined) return { problem: `"${badExtra}" is not the name of an extra` };
  const base = { name: head[1]!.toLowerCase(), extras: extras.map((extra) => extra.toLowerCase()) };
  const rest = trimmed.slice(head[0].length);
  return rest.startsWith("@") ? withUrl(base, rest.slice(1).trim()) : withSpecifiers(base, rest);
}

function withUrl(base: Pick<Pep508, "name" | "extras">, rest: string): Pep508 | { problem: string } {
  // PEP 508: the blank before ";" is needed, since a URL may hold one.
  const [url, ...marker] = rest.split(/\s+;\s*/);
  if (url === undefined || url === "" || /\s/.test(url)) return { problem: "there is no URL after @" };
  return { ...base, url, ...(marker.length === 0 ? {} : { marker: marker.join("; ") }) };
}

function withSpecifiers(base: Pick<Pep508, "name" | "extras">, rest: string): Pep508 | { problem: string } {
  const semicolon = rest.indexOf(";");
  const marker = semicolon === -1 ? undefined : rest.slice(semicolon + 1).trim();
  const plain = (semicolon === -1 ? rest : rest.slice(0, semicolon)).trim();
  const specifiers = plain.startsWith("(") && plain.endsWith(")") ? plain.slice(1, -1).trim() : plain;
  if (specifiers !== "" && !/^[<>=!~]/.test(specifiers))
    return { problem: `"${specifiers.slice(0, 40)}" is not a version specifier` };
  if (marker === "") return { problem: "there is no marker after ;" };
  return { ...base, ...(specifiers === "" ? {} : { specifiers }), ...(marker === undefined ? {} : { marker }) };
}
