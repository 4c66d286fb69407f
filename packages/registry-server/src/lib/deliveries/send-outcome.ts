import type { SendOutcome } from "./delivery-service.ts";

/** How much of an answer is read and kept. */
const ANSWER_MAX_BYTES = 1024;

async function startOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (size < ANSWER_MAX_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    size += value.length;
  }
  // The rest is not waited for, however long it is.
  await reader.cancel().catch(() => {});
  const text = Buffer.concat(chunks).subarray(0, ANSWER_MAX_BYTES).toString("utf8");
  return text.replaceAll("\0", "\u{fffd}");
}

function retryAfterMs(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  const pause = /^\d{1,7}$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(pause) && pause > 0 ? pause : undefined;
}

/** What an answer says of a delivery: every 2xx took it, 410 says that it never will be. */
export async function outcomeOf(response: Response, now: number): Promise<SendOutcome> {
  const answer = await startOf(response).catch(() => "");
  const { status } = response;
  if (status >= 200 && status < 300) return { outcome: "delivered", status, answer };
  const error = status >= 300 && status < 400 ? "it redirects, which is not followed" : `it answered ${status}`;
  const pause = retryAfterMs(response.headers.get("retry-after"), now);
  const said = { status, answer, error, ...(pause === undefined ? {} : { retryAfterMs: pause }) };
  return { outcome: status === 410 ? "never" : "again", ...said };
}
