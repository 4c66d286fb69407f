import type { ShownReview } from "@lading/engine/registry";
import { bytes } from "../render/table.ts";
import type { Style } from "../render/style.ts";

/** A review in lines. */
export function reviewText(review: ShownReview, style: Style): string[] {
  const { name, version, target, state, publisher, submitted, artifact, signers } = review;
  const decided = review.decidedBy === undefined ? "" : ` by ${review.decidedBy}`;
  return [
    `${style.bold(`${name} ${version}`)}${target === "any" ? "" : ` for ${target}`}: ${style.bold(state)}${decided}`,
    `  review    ${review.id}`,
    `  publisher ${publisher}, ${submitted}`,
    `  checksum  ${artifact.blob} (${bytes(artifact.size)})`,
    ...(signers.length === 0 ? ["  not signed"] : signers.map((signer) => `  signer    ${signer}`)),
    ...review.findings.map(({ rule, problem }) => `  waits     ${rule}: ${problem}`),
    ...(review.reason === undefined ? [] : [`  rejected  ${review.reason}`]),
    ...(review.appeal === undefined ? [] : [`  answer    ${review.appeal}`]),
    ...(review.file === undefined ? [] : [`  file      ${review.file}`]),
  ];
}
