import path from "node:path";
import type { Page, PublicationReview, ReviewQuery, ReviewStep } from "@lading/registry-client";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath } from "../files.ts";

/** A review, with where its package file was written. */
export type ShownReview = PublicationReview & { readonly file?: string };

/** Publications that wait for a reviewer at the default registry, or did: those that concern the caller, newest first. */
export async function reviewList(query: ReviewQuery, context: EngineContext): Promise<Page<PublicationReview>> {
  const client = (await context.registries()).default;
  return client.reviews(query, { signal: context.signal });
}

/** One review; with `output`, its package file is written there, verified against the review's digest. */
export async function reviewShow(
  input: { readonly id: string; readonly output?: string | undefined },
  context: EngineContext,
): Promise<ShownReview> {
  const client = (await context.registries()).default;
  const review = await client.review(input.id, { signal: context.signal });
  if (input.output === undefined) return review;
  const file = path.resolve(context.cwd, input.output);
  await client.downloadReviewed(review, file, { signal: context.signal, onEvent: context.onEvent });
  return { ...review, file: displayPath(file, context.cwd) };
}

/**
 * Approves or rejects a publication that waits, or answers a rejection.
 * @throws {EngineError} `SPEC_INVALID`: a rejection or an answer without words
 */
export async function reviewStep(
  input: { readonly id: string; readonly step: ReviewStep; readonly text?: string | undefined },
  context: EngineContext,
): Promise<PublicationReview> {
  const { id, step, text } = input;
  if (step !== "approve" && (text ?? "").trim() === "") {
    throw new EngineError({
      code: "SPEC_INVALID",
      message: `Cannot ${step} review "${id}": say why`,
      hint: step === "reject" ? "Give --reason TEXT" : "Give --text TEXT",
    });
  }
  const client = (await context.registries()).default;
  return client.decideReview(id, step, text, { signal: context.signal });
}
