/** How a change of ownership ended. */
export type OwnerOutcome = "changed" | "unchanged" | "last-owner";

/** What may object to a change of ownership, given the user names of the owners, and the teams as `team:o/t` after them. */
export type OwnersCheck = (owners: readonly string[]) => void;
