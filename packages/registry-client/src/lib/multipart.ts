import type { Publication } from "./ports.ts";

/** A multipart/form-data body (RFC 7578) whose length is known before its first byte. */
export interface MultipartBody {
  readonly contentType: string;
  readonly contentLength: number;
  /** The bytes; the package is streamed from its file and never held. */
  stream(): AsyncGenerator<Uint8Array<ArrayBuffer>>;
}

/** The publication's fields in the order of the HTTP contract: metadata, statement, package. */
export function encodePublication(publication: Publication, boundary: string): MultipartBody {
  const encoder = new TextEncoder();
  const part = (disposition: string, type: string): string =>
    `--${boundary}\r\ncontent-disposition: form-data; ${disposition}\r\ncontent-type: ${type}\r\n\r\n`;
  const { blob, size, tree, channel } = publication;
  const metadata = JSON.stringify({ blob, size, tree, channel });
  const head: Uint8Array<ArrayBuffer>[] = [
    encoder.encode(`${part('name="metadata"', "application/json")}${metadata}\r\n`),
  ];
  if (publication.statement !== undefined) {
    head.push(
      encoder.encode(part('name="statement"; filename="statement.sig"', "application/vnd.dsse+json")),
      publication.statement,
      encoder.encode("\r\n"),
    );
  }
  head.push(
    encoder.encode(part(`name="package"; filename="${quoted(publication.fileName)}"`, "application/octet-stream")),
  );
  const tail = encoder.encode(`\r\n--${boundary}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    contentLength: head.reduce((sum, bytes) => sum + bytes.length, 0) + publication.size + tail.length,
    async *stream() {
      yield* head;
      let sent = 0;
      for await (const chunk of publication.open()) {
        yield chunk;
        sent += chunk.length;
        publication.onProgress?.(sent);
      }
      yield tail;
    },
  };
}

// RFC 7578 §4.2 and the WHATWG form: a quote or line end would end the header's value.
function quoted(name: string): string {
  return name.replaceAll('"', "%22").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}
