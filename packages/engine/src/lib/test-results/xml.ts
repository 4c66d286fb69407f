/** An element of an XML document. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** Text directly inside, without that of its children. */
  readonly text: string;
}

/** Why a text is not such a document. */
export class XmlProblem extends Error {}

const MAX_DEPTH = 64;
const NAME = /[A-Za-z_:][\w:.-]*/y;
const SPACE = /\s*/y;
const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/**
 * Reads a document of elements, attributes, text and CDATA: what result files consist of. A document type declaration is
 * refused, and with it every entity of its own (XML 1.0 §4.2: they could name files or grow without end).
 * @throws {XmlProblem}
 */
export function parseXml(source: string): XmlElement {
  const cursor = new Cursor(source.replace(/^\uFEFF/, ""));
  cursor.skipProlog();
  const root = readElement(cursor, 0);
  cursor.skipProlog();
  if (!cursor.atEnd()) throw cursor.problem("there is something after the root element");
  return root;
}

class Cursor {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  atEnd(): boolean {
    return this.at >= this.text.length;
  }

  starts(prefix: string): boolean {
    return this.text.startsWith(prefix, this.at);
  }

  take(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.at += found.length;
    return found;
  }

  expect(text: string): void {
    if (!this.starts(text)) throw this.problem(`"${text}" is missing`);
    this.at += text.length;
  }

  /** What stands before `end`, which is passed over. */
  until(end: string): string {
    const found = this.text.indexOf(end, this.at);
    if (found === -1) throw this.problem(`"${end}" is missing`);
    const between = this.text.slice(this.at, found);
    this.at = found + end.length;
    return between;
  }

  name(): string {
    const name = this.take(NAME);
    if (name === "") throw this.problem("a name is missing");
    return name;
  }

  /** Passes over white space, comments and instructions. */
  skipProlog(): void {
    for (;;) {
      this.take(SPACE);
      if (this.starts("<!--")) this.until("-->");
      else if (this.starts("<?")) this.until("?>");
      else if (this.starts("<!DOCTYPE")) throw this.problem("a document type declaration is not allowed");
      else return;
    }
  }

  problem(what: string): XmlProblem {
    const before = this.text.slice(0, this.at).split("\n");
    return new XmlProblem(`line ${before.length}: ${what}`);
  }
}

function readElement(cursor: Cursor, depth: number): XmlElement {
  if (depth > MAX_DEPTH) throw cursor.problem(`elements are nested more than ${MAX_DEPTH} deep`);
  cursor.expect("<");
  const name = cursor.name();
  const attributes = readAttributes(cursor);
  if (cursor.starts("/>")) {
    cursor.at += 2;
    return { name, attributes, children: [], text: "" };
  }
  cursor.expect(">");
  const { children, text } = readContent(cursor, depth);
  const closing = cursor.name();
  if (closing !== name) throw cursor.problem(`"${name}" is closed by "${closing}"`);
  cursor.take(SPACE);
  cursor.expect(">");
  return { name, attributes, children, text };
}

function readAttributes(cursor: Cursor): Map<string, string> {
  const attributes = new Map<string, string>();
  for (;;) {
    cursor.take(SPACE);
    if (cursor.starts(">") || cursor.starts("/>") || cursor.atEnd()) return attributes;
    const name = cursor.name();
    if (attributes.has(name)) throw cursor.problem(`attribute "${name}" is there twice`);
    cursor.take(SPACE);
    cursor.expect("=");
    cursor.take(SPACE);
    const quote = cursor.starts("'") ? "'" : '"';
    cursor.expect(quote);
    attributes.set(name, decode(cursor.until(quote), cursor));
  }
}

/** Up to the name of the closing tag. */
function readContent(cursor: Cursor, depth: number): { children: XmlElement[]; text: string } {
  const children: XmlElement[] = [];
  const texts: string[] = [];
  for (;;) {
    const next = cursor.text.indexOf("<", cursor.at);
    if (next === -1) throw cursor.problem("an element is not closed");
    texts.push(decode(cursor.text.slice(cursor.at, next), cursor));
    cursor.at = next;
    if (cursor.starts("</")) {
      cursor.at += 2;
      return { children, text: texts.join("") };
    }
    if (cursor.starts("<![CDATA[")) {
      cursor.at += "<![CDATA[".length;
      texts.push(cursor.until("]]>"));
    } else if (cursor.starts("<!--")) cursor.until("-->");
    else if (cursor.starts("<?")) cursor.until("?>");
    else children.push(readElement(cursor, depth + 1));
  }
}

function decode(text: string, cursor: Cursor): string {
  if (!text.includes("&")) return text;
  return text.replaceAll(
    /&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{1,16}));/gi,
    (_, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) {
        const value = Object.hasOwn(ENTITIES, name) ? ENTITIES[name] : undefined;
        if (value === undefined) throw cursor.problem(`entity "&${name};" is unknown`);
        return value;
      }
      const point = decimal === undefined ? Number.parseInt(hex!, 16) : Number(decimal);
      if (point > 0x10_ff_ff) throw cursor.problem("there is no such character");
      return String.fromCodePoint(point);
    },
  );
}
